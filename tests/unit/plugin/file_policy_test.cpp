// Which files the host loads code from.
#include "plugin/file_policy.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include "readers/swap_report.hpp"
#include "unit/readers/test_host.hpp"

namespace perch::plugin::test {
using namespace perch::test;
namespace file_policy_test {

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

class PolicyFolder {
 public:
  PolicyFolder() : plugins(folder.path() / "plugins") {
    fs::create_directories(plugins / "releases");
    fs::copy_file(faulty_plugin("summing"), plugins / "good.so");
    fs::copy_file(faulty_plugin("summing"), plugins / "releases" / "summing-1.so");
    fs::copy_file(faulty_plugin("summing"), folder.path() / "outside.so");
  }
  /// "" when it may be loaded, else why not.
  std::string refusal(const fs::path& path) const {
    const auto opened = open_trusted(path, plugins);
    return opened ? "" : opened.error().message;
  }

  TemporaryFolder folder;
  fs::path plugins;
};

TEST_CASE("a file that its owner alone can change may be loaded, wherever it is") {
  PolicyFolder here;
  CHECK(here.refusal(here.plugins / "good.so") == "");
  CHECK(here.refusal(here.folder.path() / "outside.so") == "");
  CHECK(open_trusted(here.plugins / "missing.so", here.plugins).error().kind == ErrorKind::not_found);
}

TEST_CASE("a file that group or others may write is refused, with the command that mends it") {
  PolicyFolder here;
  const fs::path file = here.plugins / "good.so";
  REQUIRE(::chmod(file.c_str(), 0664) == 0);
  CHECK(here.refusal(file) == file.string() +
                                  " may be written by its group: code is loaded only from what its owner "
                                  "alone can change; run `chmod go-w " +
                                  file.string() + "`");
  REQUIRE(::chmod(file.c_str(), 0602) == 0);
  CHECK(has(here.refusal(file), "may be written by everybody"));
  REQUIRE(::chmod(file.c_str(), 0600) == 0);
  CHECK(here.refusal(file) == "");
}

TEST_CASE("a file in a folder that group or others may write is refused, sticky or not") {
  PolicyFolder here;
  for (const mode_t mode : {0775, 0707, 01777}) {
    REQUIRE(::chmod(here.plugins.c_str(), mode) == 0);
    CHECK(has(here.refusal(here.plugins / "good.so"), "the folder " + here.plugins.string() + " may be"));
  }
  REQUIRE(::chmod(here.plugins.c_str(), 0755) == 0);
  CHECK(here.refusal(here.plugins / "good.so") == "");
}

TEST_CASE("a file or folder of another user is refused") {
  if (::geteuid() != 0) {
    MESSAGE("*** SKIPPED: only root can give files away");
    return;
  }
  PolicyFolder here;
  const fs::path file = here.plugins / "good.so";
  REQUIRE(::chown(file.c_str(), 65534, 65534) == 0);
  CHECK(has(here.refusal(file), "belongs to user 65534, and this host runs as user 0"));
  REQUIRE(::chown(file.c_str(), 0, 0) == 0);
  REQUIRE(::chown(here.plugins.c_str(), 65534, 65534) == 0);
  CHECK(has(here.refusal(file), "the folder " + here.plugins.string() + " belongs to user 65534"));
}

TEST_CASE("a link may lead to a file beneath the watched folder, and nowhere else") {
  PolicyFolder here;
  const auto link = [&](const fs::path& target) {
    const fs::path path = here.plugins / "link.so";
    fs::remove(path);
    fs::create_symlink(target, path);
    return here.refusal(path);
  };
  CHECK(link("releases/summing-1.so") == "");
  CHECK(link("good.so") == "");
  CHECK(has(link("../outside.so"), "is a link out of the folder"));
  CHECK(has(link(here.folder.path() / "outside.so"), "is a link out of the folder"));
  CHECK(has(link(here.plugins / "good.so"),
            "is a link out of the folder"));  // absolute: may lead anywhere later
  CHECK(has(link("nowhere.so"), "a symbolic link to a file that is not there"));
  CHECK(has(link("link.so"), "a symbolic link to itself"));
  CHECK(has(link("/proc/self/exe"), "is a link out of the folder"));
  CHECK(has(link("releases"), "this is a"));

  // A folder in between counts as well.
  REQUIRE(::chmod((here.plugins / "releases").c_str(), 0777) == 0);
  CHECK(has(link("releases/summing-1.so"), "releases may be written by everybody"));
  fs::create_symlink(here.plugins / "good.so", here.folder.path() / "elsewhere.so");
  CHECK(has(here.refusal(here.folder.path() / "elsewhere.so"), "is a symbolic link"));
}

TEST_CASE("what is refused at every way in stays out of the host") {
  readers::test::TestHost host;
  const fs::path file = host.folder.path() / "summing.so";
  fs::copy_file(faulty_plugin("summing"), file);
  REQUIRE(host.load(file, "sums"));
  REQUIRE(::chmod(file.c_str(), 0666) == 0);
  for (const auto& message :
       {host.load(file, "again").error().message, host.swap("sums", file).error().message,
        host.swap("sums", readers::SwapOptions{file, std::nullopt, false, true}).error().message}) {
    CHECK_MESSAGE(has(message, "may be written by everybody"), message);
  }
  REQUIRE(host.disable("sums"));
  CHECK(has(host.enable("sums").error().message, "may be written by everybody"));
  CHECK(host.state("sums") == "disabled");
}

}  // namespace file_policy_test
}  // namespace perch::plugin::test
