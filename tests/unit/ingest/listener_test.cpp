// The path at which a source of type unix listens: whose it may take, and what becomes of it.
#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>

#include "base/unique_fd.hpp"
#include "unit/ingest/ingest_fixture.hpp"

namespace perch::ingest::test {
namespace listener_test {

sockaddr_un address_of(const std::filesystem::path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  return address;
}

bool send_row(const std::filesystem::path& path) {
  const UniqueFd feed(::socket(AF_UNIX, SOCK_STREAM, 0));
  const sockaddr_un address = address_of(path);
  const std::string row = number_row(1, 2);
  return ::connect(feed.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
         ::send(feed.get(), row.data(), row.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(row.size());
}

void listen_at(Host& host, const std::filesystem::path& path) {
  SourceSpec& source = host.spec.sources.emplace_back();
  source.name = "in";
  source.type = SourceType::unix_socket;
  source.path = path;
  source.feeds = {{"numbers", {}, {}}};
}

/// What a host says that cannot start with this path.
std::string refusal(const std::filesystem::path& path) {
  Host host;
  listen_at(host, path);
  host.ingest = std::make_unique<Ingest>(*host.store, host.catalog, host.spec);
  const auto started = host.ingest->start();
  host.ingest->stop();
  return started ? "" : started.error().message;
}

TEST_CASE("listener: where another host listens, it goes on, and this one says so") {
  Host first;
  listen_at(first, first.folder / "s");
  first.start();
  const std::string message = refusal(first.folder / "s");
  CHECK(has(message, "source in: another host answers at " + (first.folder / "s").string()));
  REQUIRE(send_row(first.folder / "s"));
  CHECK(eventually([&] { return first.status().committed.rows == 1; }));
  first.ingest->stop();
}

TEST_CASE("listener: a socket file that a dead host left is taken over, and goes at the end") {
  Host host;
  const auto path = host.folder / "s";
  {
    const UniqueFd dead(::socket(AF_UNIX, SOCK_STREAM, 0));
    const sockaddr_un address = address_of(path);
    REQUIRE(::bind(dead.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  }
  listen_at(host, path);
  host.start();
  REQUIRE(send_row(path));
  CHECK(eventually([&] { return host.status().committed.rows == 1; }));
  host.ingest.reset();
  CHECK_FALSE(std::filesystem::exists(path));
}

TEST_CASE("listener: a file that is no socket is refused and stays") {
  const TemporaryFolder folder;
  write_file(folder / "s", "precious");
  CHECK(has(refusal(folder / "s"), "is no socket"));
  CHECK(read_file(folder / "s") == "precious");
}

TEST_CASE("listener: a file that took the socket's place stays when the host ends") {
  Host host;
  listen_at(host, host.folder / "s");
  host.start();
  std::filesystem::remove(host.folder / "s");
  Host successor;
  listen_at(successor, host.folder / "s");
  successor.start();
  host.ingest.reset();
  REQUIRE(send_row(successor.spec.sources[0].path));
  CHECK(eventually([&] { return successor.status().committed.rows == 1; }));
  successor.ingest->stop();
}

TEST_CASE("listener: one that is replaced hands its socket and its file on, and the last one removes it") {
  Host host;
  const auto path = host.folder / "s";
  listen_at(host, path);
  Ingest& ingest = host.start();
  for (int turn = 0; turn < 3; ++turn) {
    IngestChange change;
    change.remove_sources = {"in"};
    change.add_sources = host.spec.sources;
    change.add_sources[0].connections_max = 10 + static_cast<std::uint32_t>(turn);
    REQUIRE(ingest.change(change));
    REQUIRE(send_row(path));
    REQUIRE(eventually([&] { return host.status().committed.rows == 1; }));
  }
  IngestChange change;
  change.remove_sources = {"in"};
  REQUIRE(ingest.change(change));
  CHECK_FALSE(std::filesystem::exists(path));
  ingest.stop();
}

}  // namespace listener_test
}  // namespace perch::ingest::test
