// No room for the next row: what is said, and that nothing is lost.
#include <doctest/doctest.h>

#include <atomic>
#include <cerrno>
#include <cstring>

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
