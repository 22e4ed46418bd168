// Thousands of damaged plugin files, each inspected and loaded as the host does it, in a child process of its
// own. None may crash or hang it; each that is refused has a message, and not one constructor has run. A file
// whose damage nobody reads may load: then it must work and go again.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <thread>

#include "fuzz/elf_mutations.hpp"
#include "plugin/elf_inspection.hpp"
#include "plugin/plugin_library.hpp"
#include "unit/test_files.hpp"

namespace perch::fuzz {
namespace malformed_plugins_test {

namespace fs = std::filesystem;
using plugin::PluginFile;
using plugin::PluginLibrary;
using test::faulty_plugin;

enum Fate : int {
  refused_before_loading = 40,  // by the host, with a message
  refused_by_loader,            // by dlopen, with a message
  loaded_for_good,              // the same, but it asks never to be unmapped, and inspect said so
  loaded,                       // created, destroyed and unloaded
  no_message,
  constructor_ran,  // of a file that was refused
  stayed_mapped,
  inspected_otherwise,  // inspect and load disagree
  hung,
  crashed,
};

constexpr const char* fate_names[] = {"refused before loading",
                                      "refused by dlopen",
                                      "loaded for good",
                                      "loaded and unloaded",
                                      "REFUSED WITHOUT MESSAGE",
                                      "CONSTRUCTOR RAN",
                                      "STAYED MAPPED",
                                      "INSPECTED OTHERWISE",
                                      "HUNG",
                                      "CRASHED"};

constexpr unsigned seconds_max = 20;  // under sanitizers a child takes a while

/// A folder that goes with the program.
const fs::path& folder() {
  static const test::TemporaryFolder the_folder;
  return the_folder.path();
}

std::string content_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream bytes;
  bytes << file.rdbuf();
  REQUIRE(bytes.str().size() > 1000);
  return bytes.str();
}

/// A host that takes everything and has nothing: enough for create and destroy.
perch_host quiet_host() {
  perch_host host{};
  host.struct_size = sizeof host;
  host.abi_version = PERCH_ABI_VERSION;
  host.log = [](void*, std::int32_t, const char*, std::size_t) {};
  host.publish = [](void*, perch_string, perch_string) -> perch_result { return PERCH_OK; };
  host.counter_add = [](void*, perch_string, double) {};
  host.gauge_set = [](void*, perch_string, double) {};
  host.histogram_record = [](void*, perch_string, double) {};
  host.wake_every = [](void*, std::uint64_t) {};
  return host;
}

/// What a reader's thread does, without a step.
void live_and_die(const perch_plugin_api& api) {
  const perch_host host = quiet_host();
  void* instance = nullptr;
  perch_error error{};
  if (api.create(&host, {"{}", 2}, &instance, &error) != PERCH_OK) return;
  if (api.start(instance, &error) == PERCH_OK) api.stop(instance, &error);
  api.destroy(instance);
}

/// The child's work. `mark`: the file that a constructor leaves.
Fate fate_of(const fs::path& file, const fs::path& mark) {
  const auto inspection = plugin::inspect_file(file);
  const bool inspected_good = inspection && inspection->refusal.empty();
  if (!inspection && inspection.error().message.empty()) return no_message;

  const auto refused = [&](const Error& error, Fate how) {
    if (error.message.size() < 20) return no_message;
    return ::access(mark.c_str(), F_OK) == 0 ? constructor_ran : how;
  };
  auto opened = PluginFile::open(file);
  if (!opened) return inspected_good ? inspected_otherwise : refused(opened.error(), refused_before_loading);
  const auto copy = opened->copy_to(folder(), static_cast<std::uint64_t>(::getpid()));
  if (!copy) return inspected_good ? inspected_otherwise : refused(copy.error(), refused_before_loading);
  if (!inspected_good) return inspected_otherwise;
  auto library = PluginLibrary::load(*opened, *copy, 1);
  if (!library) return refused(library.error(), refused_by_loader);
  std::thread([&] { live_and_die((*library)->api()); }).join();
  if ((*library)->unload().empty()) return loaded;
  return inspection->never_unmapped.empty() ? stayed_mapped : loaded_for_good;
}

/// Runs one in a child, and tells how it ended.
Fate run_in_child(const std::string& bytes) {
  const fs::path file = folder() / "damaged.so";
  const fs::path mark = folder() / "mark";
  std::error_code ignored;
  fs::remove(mark, ignored);
  REQUIRE(std::ofstream(file, std::ios::binary | std::ios::trunc)
              .write(bytes.data(), static_cast<std::streamsize>(bytes.size())));
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    for (const int crash : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT}) ::signal(crash, SIG_DFL);
    const rlimit no_core{0, 0};
    ::setrlimit(RLIMIT_CORE, &no_core);
    const int null = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
    ::dup2(null, STDERR_FILENO);  // what a dying child says
    ::setenv("PERCH_TEST_MARK", mark.c_str(), 1);
    ::alarm(seconds_max);
    ::_exit(fate_of(file, mark));
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  if (WIFSIGNALED(status)) return WTERMSIG(status) == SIGALRM ? hung : crashed;
  const int code = WEXITSTATUS(status);
  return code >= refused_before_loading && code < hung ? static_cast<Fate>(code) : crashed;
}

/// Counts fates by kind of damage, and names what must not be.
class Campaign {
 public:
  explicit Campaign(const std::string& name) : name_(name), good_(content_of(faulty_plugin(name))) {}
  const std::string& good() const { return good_; }

  void run(const std::vector<Mutation>& mutations) {
    for (const Mutation& mutation : mutations) {
      const Fate fate = run_in_child(apply(good_, mutation));
      ++counts_[mutation.kind][fate];
      ++files_;
      if (fate <= loaded) continue;
      if (++bad_ <= 20) {
        std::printf("%s.so, %s at %llu:", name_.c_str(), mutation.kind.c_str(),
                    static_cast<unsigned long long>(mutation.offset));
        for (const char c : mutation.bytes) std::printf(" %02x", static_cast<unsigned char>(c));
        std::printf(": %s\n", fate_names[fate - refused_before_loading]);
      }
    }
  }

  void report() const {
    std::printf("%s.so: %zu damaged files\n", name_.c_str(), files_);
    for (const auto& [kind, fates] : counts_) {
      std::printf("  %-28s", kind.c_str());
      for (const auto& [fate, count] : fates) {
        std::printf(" %zu %s%s", count, fate_names[fate - refused_before_loading],
                    fate == fates.rbegin()->first ? "\n" : ",");
      }
    }
    std::fflush(stdout);
  }

  std::size_t files() const { return files_; }
  std::size_t bad() const { return bad_; }
  std::size_t count(Fate fate) const {
    std::size_t sum = 0;
    for (const auto& [kind, fates] : counts_) {
      const auto found = fates.find(fate);
      sum += found == fates.end() ? 0 : found->second;
    }
    return sum;
  }

 private:
  std::string name_;
  std::string good_;
  std::map<std::string, std::map<Fate, std::size_t>> counts_;
  std::size_t files_ = 0;
  std::size_t bad_ = 0;
};

bool is_soak() { return std::getenv("PERCH_SOAK") != nullptr; }

TEST_CASE("the good plugins run, and what must not happen is seen when it does") {
  for (const char* name : {"marked", "marked_stripped", "marked_lld", "marked_lld_stripped"}) {
    CAPTURE(name);
    if (fs::exists(faulty_plugin(name))) CHECK(run_in_child(content_of(faulty_plugin(name))) == loaded);
  }
  CHECK(run_in_child(content_of(faulty_plugin("never_unmapped"))) == loaded_for_good);
  CHECK(run_in_child(content_of(faulty_plugin("breaks_its_entry"))) == constructor_ran);
  CHECK(run_in_child(content_of(faulty_plugin("crashes_in_constructor"))) == crashed);
}

TEST_CASE("damaged plugin files neither crash nor hang the host, and none that is refused has run") {
  std::size_t files = 0;
  for (const char* name : {"marked", "marked_stripped", "marked_lld", "marked_lld_stripped"}) {
    if (!fs::exists(faulty_plugin(name))) continue;
    CAPTURE(name);
    Campaign campaign(name);
    const std::string& good = campaign.good();
    const bool is_first = std::strcmp(name, "marked") == 0;
    const std::size_t bits = is_soak() ? 4'000 : is_first ? 80 : 20;
    campaign.run(truncations(good));
    if (is_first || is_soak()) campaign.run(other_identities(good));
    if (is_first || is_soak()) campaign.run(hostile_notes(good));
    campaign.run(without_exchanged_targets(good, flipped_bits(good, bits, 1)));
    campaign.run(without_exchanged_targets(good, hostile_numbers(good, bits / 4, 2)));
    campaign.report();
    CHECK(campaign.bad() == 0);
    CHECK(campaign.count(refused_before_loading) > campaign.files() / 2);
    CHECK(campaign.count(loaded) > 0);  // so the rest was refused for its damage
    files += campaign.files();
  }
  std::printf("%zu damaged files in all\n", files);
  CHECK(files >= 2'000);
}

}  // namespace malformed_plugins_test
}  // namespace perch::fuzz
