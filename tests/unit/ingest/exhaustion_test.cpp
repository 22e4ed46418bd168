// No room for the next row: what is said, and that nothing is lost.
#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <atomic>
#include <cerrno>
#include <cstring>

#include "base/unique_fd.hpp"
#include "tree/pins.hpp"
#include "unit/ingest/ingest_fixture.hpp"

namespace perch::ingest::test {
namespace exhaustion_test {

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// Some 1 KiB a row.
tables::TableSpec wide_table() {
  auto table = numbers_table();
  table.value.push_back({"filler", "char[1000]"});
  return table;
}

std::string wide_rows(std::uint64_t count) {
  std::string text;
  for (std::uint64_t id = 0; id < count; ++id) {
    text += "{\"id\":" + std::to_string(id) + ",\"number\":" + std::to_string(id) + ",\"filler\":\"x\"}\n";
  }
  return text;
}

/// A host on a system that has so much memory for it, and two sources, "a" and "b", that listen at sockets of
/// their names.
class StarvedHost {
 public:
  static constexpr std::uint64_t step_bytes = 1u << 20;

  StarvedHost() : host({wide_table()}, 64u << 20) {
    tree::StoreOptions options;
    options.arena_bytes = 64u << 20;
    options.commit_memory = [this](int fd, std::uint64_t offset, std::uint64_t bytes) {
      return offset + bytes > limit_bytes.load() ? ENOSPC : tree::commit_with_fallocate(fd, offset, bytes);
    };
    host.store = tree::Store::create(options).value();
    for (const char* name : {"a", "b"}) {
      SourceSpec& source = host.spec.sources.emplace_back();
      source.name = name;
      source.type = SourceType::unix_socket;
      source.path = host.folder / name;
      source.feeds = {{"numbers", {}, {}}};
    }
    host.start();
    a = connect(host.folder / "a");
    b = connect(host.folder / "b");
  }
  ~StarvedHost() { host.ingest.reset(); }

  /// Rows of "a" until some of them wait for room, with nothing more to come.
  void fill() {
    constexpr std::uint64_t rows_at_once = 20;
    while (!is_out_of_room()) {
      for (std::uint64_t i = 0; i < rows_at_once; ++i) send(a, sent_by_a++);
      REQUIRE(eventually([&] { return is_out_of_room() || host.status(0).committed.rows == sent_by_a; }));
    }
  }
  void send(const UniqueFd& feed, std::uint64_t id) {
    const std::string row = "{\"id\":" + std::to_string(id) + ",\"number\":1,\"filler\":\"x\"}\n";
    REQUIRE(::send(feed.get(), row.data(), row.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(row.size()));
  }
  bool is_out_of_room() { return host.ingest->commits().out_of_room; }

  std::atomic<std::uint64_t> limit_bytes{8u << 20};
  Host host;
  UniqueFd a;
  UniqueFd b;
  std::uint64_t sent_by_a = 0;

 private:
  static UniqueFd connect(const std::filesystem::path& path) {
    UniqueFd feed(::socket(AF_UNIX, SOCK_STREAM, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    REQUIRE(::connect(feed.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    return feed;
  }
};

TEST_CASE("exhaustion: whoever applies the rows that waited, the status says that there is room again") {
  StarvedHost starved;
  std::uint64_t sent_by_b = 0;
  for (int round = 0; round < 40; ++round) {
    CAPTURE(round);
    starved.fill();
    starved.limit_bytes += StarvedHost::step_bytes;
    // The writer's thread looks for room every 10 ms. Before that, this row's source applies what waits.
    starved.send(starved.b, sent_by_b++);
    REQUIRE(eventually([&] {
      return starved.host.status(0).committed.rows == starved.sent_by_a &&
             starved.host.status(1).committed.rows == sent_by_b;
    }));
    REQUIRE(eventually([&] { return !starved.is_out_of_room(); }));
  }
  CHECK(starved.host.ingest->commits().out_of_room_reason == "");
}

TEST_CASE("exhaustion: when the source whose rows wait is removed, nothing waits for room any more") {
  StarvedHost starved;
  starved.fill();
  IngestChange change;
  change.remove_sources = {"a"};
  REQUIRE(starved.host.ingest->change(change));
  CHECK(eventually([&] { return !starved.is_out_of_room(); }));
}

TEST_CASE("exhaustion: a full arena is told with its size, what to do, and who holds memory back") {
  Host host({wide_table()}, 8u << 20);
  write_file(host.folder / "rows", wide_rows(20'000));
  host.add_file("file", host.folder / "rows");
  host.ingest = std::make_unique<Ingest>(*host.store, host.catalog, host.spec,
                                         [] { return std::string("reader slow retains 5MiB"); });
  REQUIRE(host.ingest->start().has_value());
  REQUIRE(eventually([&] { return host.ingest->commits().out_of_room; }));
  const std::string reason = host.ingest->commits().out_of_room_reason;
  CHECK(has(reason, "the arena is full: arena.size is 8"));
  CHECK(has(reason, "raise arena.size"));
  CHECK(has(reason, "no row is lost"));
  CHECK(has(reason, "reader slow retains 5MiB"));
  CHECK(!has(reason, "system"));
  host.ingest->stop();
}

TEST_CASE("exhaustion: a system without memory is told as that, and when it has some again all rows go in") {
  constexpr std::uint64_t rows = 20'000;
  for (const int error : {ENOSPC, ENOMEM}) {
    CAPTURE(error);
    std::atomic<bool> is_full{true};
    std::atomic<std::uint64_t> given_bytes{0};
    Host host({wide_table()}, 64u << 20);
    tree::StoreOptions options;
    options.arena_bytes = 64u << 20;
    options.commit_memory = [&](int fd, std::uint64_t offset, std::uint64_t bytes) {
      if (is_full.load() && given_bytes.load() + bytes > (8u << 20)) return error;
      given_bytes.fetch_add(bytes);
      return tree::commit_with_fallocate(fd, offset, bytes);
    };
    host.store = tree::Store::create(options).value();
    write_file(host.folder / "rows", wide_rows(rows));
    host.add_file("file", host.folder / "rows");
    Ingest& ingest = host.start();
    REQUIRE(eventually([&] { return ingest.commits().out_of_room; }));
    const std::string reason = ingest.commits().out_of_room_reason;
    CHECK(has(reason, "the system has no more memory for the arena"));
    CHECK(has(reason, std::strerror(error)));
    CHECK(has(reason, "free memory on this machine"));
    CHECK(!has(reason, "arena.size"));
    CHECK(host.status().committed.rows < rows);

    is_full.store(false);
    REQUIRE(eventually([&] { return ingest.finished(); }));
    CHECK(!ingest.commits().out_of_room);
    CHECK(ingest.commits().out_of_room_reason == "");
    ingest.stop();
    const auto found = host.rows();
    CHECK(found.size() == rows);
    CHECK(found.rbegin()->second == rows - 1);
    CHECK(host.store->check() == "");
  }
}

}  // namespace exhaustion_test
}  // namespace perch::ingest::test
