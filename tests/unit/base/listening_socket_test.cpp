#include "base/listening_socket.hpp"

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "unit/test_files.hpp"

namespace perch::test {
namespace listening_socket_test {

sockaddr_un address_of(const fs::path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  return address;
}

bool is_answered(const fs::path& path) {
  const UniqueFd peer(::socket(AF_UNIX, SOCK_STREAM, 0));
  const sockaddr_un address = address_of(path);
  return ::connect(peer.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

/// A socket file that nobody listens at, as a host that was killed leaves one.
void leave_stale_socket(const fs::path& path) {
  const UniqueFd dead(::socket(AF_UNIX, SOCK_STREAM, 0));
  const sockaddr_un address = address_of(path);
  REQUIRE(::bind(dead.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
}

TEST_CASE("listening: a socket that a dead host left behind is replaced") {
  const TemporaryFolder folder;
  leave_stale_socket(folder / "s");
  {
    const auto socket = ListeningSocket::open_unix(folder / "s", 0660);
    REQUIRE(socket);
    CHECK(is_answered(folder / "s"));
  }
  CHECK_FALSE(fs::exists(folder / "s"));
}

TEST_CASE("listening: a host that answers keeps its socket") {
  const TemporaryFolder folder;
  auto first = ListeningSocket::open_unix(folder / "s", 0660);
  REQUIRE(first);
  const auto second = ListeningSocket::open_unix(folder / "s", 0660);
  REQUIRE_FALSE(second);
  CHECK(second.error().message.find("another host answers at") == 0);
  CHECK(is_answered(folder / "s"));
}

TEST_CASE("listening: a host whose queue of connections is full keeps its socket too") {
  const TemporaryFolder folder;
  auto first = ListeningSocket::open_unix(folder / "s", 0660);
  REQUIRE(first);
  REQUIRE(::listen(first->fd(), 0) == 0);
  const sockaddr_un address = address_of(folder / "s");
  std::vector<UniqueFd> peers;
  for (bool connected = true; connected;) {
    peers.emplace_back(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0));
    connected =
        ::connect(peers.back().get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  }
  CHECK_FALSE(ListeningSocket::open_unix(folder / "s", 0660));
  CHECK(fs::exists(folder / "s"));
}

TEST_CASE("listening: of hosts that start at once, one takes the place of a dead one") {
  const TemporaryFolder folder;
  for (int round = 0; round < 20; ++round) {
    leave_stale_socket(folder / "s");
    std::vector<ListeningSocket> opened(4);
    std::vector<std::thread> hosts;
    for (ListeningSocket& one : opened) {
      hosts.emplace_back([&] {
        if (auto made = ListeningSocket::open_unix(folder / "s", 0660)) one = std::move(*made);
      });
    }
    for (auto& host : hosts) host.join();
    const auto is_open = [](const ListeningSocket& one) { return static_cast<bool>(one); };
    REQUIRE(std::count_if(opened.begin(), opened.end(), is_open) == 1);
    const auto winner = std::find_if(opened.begin(), opened.end(), is_open);
    CHECK(is_answered(folder / "s"));
    const auto peer = winner->accept();
    REQUIRE(peer);
    CHECK(*peer);
  }
}

TEST_CASE("listening: a file that is no socket stays") {
  const TemporaryFolder folder;
  write_file(folder / "s", "precious");
  const auto socket = ListeningSocket::open_unix(folder / "s", 0660);
  REQUIRE_FALSE(socket);
  CHECK(socket.error().message.find("is no socket") != std::string::npos);
  CHECK(read_file(folder / "s") == "precious");
}

TEST_CASE("listening: a path that no socket can have is refused in words") {
  const TemporaryFolder folder;
  const auto too_long = ListeningSocket::open_unix(folder / std::string(120, 'x'), 0660);
  REQUIRE_FALSE(too_long);
  CHECK(too_long.error().kind == ErrorKind::usage);
  CHECK(too_long.error().message.find("1 to 107") != std::string::npos);
  CHECK_FALSE(ListeningSocket::open_unix(folder.path() / "no" / "such" / "folder", 0660));
}

TEST_CASE("listening: the mode is the one asked for, whatever the umask") {
  const TemporaryFolder folder;
  for (const mode_t mask : {0777u, 0u}) {
    const mode_t before = ::umask(mask);
    const auto socket = ListeningSocket::open_unix(folder / "s", 0640);
    ::umask(before);
    REQUIRE(socket);
    CHECK(socket->group_error() == 0);
    struct stat status {};
    REQUIRE(::stat((folder / "s").c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0640);
  }
}

TEST_CASE("listening: another host's socket that took the place is not removed") {
  const TemporaryFolder folder;
  {
    const auto socket = ListeningSocket::open_unix(folder / "s", 0660);
    REQUIRE(socket);
    fs::remove(folder / "s");
    write_file(folder / "s", "successor");
  }
  CHECK(read_file(folder / "s") == "successor");
}

TEST_CASE("listening: the file goes with the last copy, in whichever order they go") {
  const TemporaryFolder folder;
  for (const bool first_goes_first : {true, false}) {
    auto opened = ListeningSocket::open_unix(folder / "s", 0660);
    REQUIRE(opened);
    ListeningSocket first = std::move(*opened);
    auto copied = first.copy();
    REQUIRE(copied);
    ListeningSocket second = std::move(*copied);
    (first_goes_first ? first : second) = ListeningSocket();
    CHECK(is_answered(folder / "s"));
    ListeningSocket& left = first_goes_first ? second : first;
    const auto peer = left.accept();
    REQUIRE(peer);
    CHECK(*peer);
    left = ListeningSocket();
    CHECK_FALSE(fs::exists(folder / "s"));
  }
}

}  // namespace listening_socket_test
}  // namespace perch::test
