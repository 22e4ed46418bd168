#include "control/listener.hpp"

#include <sys/stat.h>

#include "host_fixture.hpp"

using namespace perch;
using namespace perch::control;
using namespace perch::control::testing;

TEST_CASE("a socket that a dead host left behind is replaced") {
  const TemporaryFolder folder;
  const auto path = folder / "s";
  {
    const UniqueFd dead(::socket(AF_UNIX, SOCK_STREAM, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    REQUIRE(::bind(dead.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  }
  REQUIRE(std::filesystem::exists(path));
  CHECK(Listener::open(path, 0660).has_value());
  CHECK_FALSE(std::filesystem::exists(path));
}

TEST_CASE("a host that answers keeps its socket") {
  const TemporaryFolder folder;
  auto first = Listener::open(folder / "s", 0660);
  REQUIRE(first);
  const auto second = Listener::open(folder / "s", 0660);
  REQUIRE_FALSE(second);
  CHECK(second.error().message.find("another host answers at") == 0);
  CHECK(std::filesystem::exists(folder / "s"));
}

TEST_CASE("a file that is no socket stays") {
  const TemporaryFolder folder;
  std::ofstream(folder / "s") << "precious";
  const auto listener = Listener::open(folder / "s", 0660);
  REQUIRE_FALSE(listener);
  CHECK(listener.error().message.find("is no socket") != std::string::npos);
  CHECK(std::filesystem::file_size(folder / "s") == 8);
}

TEST_CASE("a path that no socket can have is refused in words") {
  const TemporaryFolder folder;
  const auto too_long = Listener::open(folder / std::string(120, 'x'), 0660);
  REQUIRE_FALSE(too_long);
  CHECK(too_long.error().kind == ErrorKind::usage);
  CHECK(too_long.error().message.find("1 to 107") != std::string::npos);
  CHECK_FALSE(Listener::open(folder / "no" / "such" / "folder", 0660));
}

TEST_CASE("the mode is the one asked for, whatever the umask") {
  const TemporaryFolder folder;
  for (const mode_t mask : {0777u, 0u}) {
    const mode_t before = ::umask(mask);
    const auto listener = Listener::open(folder / "s", 0640);
    ::umask(before);
    REQUIRE(listener);
    struct stat status {};
    REQUIRE(::stat((folder / "s").c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0640);
  }
}

TEST_CASE("another host's socket that took the place is not removed") {
  const TemporaryFolder folder;
  {
    const auto listener = Listener::open(folder / "s", 0660);
    REQUIRE(listener);
    std::filesystem::remove(folder / "s");
    std::ofstream(folder / "s") << "successor";
  }
  CHECK(std::filesystem::exists(folder / "s"));
}
