#include <doctest/doctest.h>

#include <filesystem>
#include <string>

#include "unit/ingest/ingest_fixture.hpp"

using namespace perch::ingest;
using namespace perch::ingest::test;

namespace file_source_test {

std::string rows_from(std::uint64_t first, std::uint64_t last) {
  std::string text;
  for (std::uint64_t id = first; id < last; ++id) text += number_row(id, static_cast<std::int64_t>(id * 3));
  return text;
}

bool holds(const std::map<std::uint64_t, std::int64_t>& rows, std::uint64_t count) {
  std::uint64_t next = 0;
  for (const auto& [id, number] : rows) {
    if (id != next++ || number != static_cast<std::int64_t>(id * 3)) return false;
  }
  return next == count;
}

TEST_CASE("a file is read to its end, the last line without a newline too") {
  Host host;
  std::string text = "\n  \r\n" + rows_from(0, 100'000);
  text.pop_back();
  write_file(host.folder / "rows", text);
  host.add_file("file", host.folder / "rows");
  Ingest& ingest = host.start();
  REQUIRE(eventually([&] { return ingest.finished(); }));
  CHECK(holds(host.rows(), 100'000));
  const SourceStatus status = host.status();
  CHECK(status.state == "ended");
  CHECK(status.type == "file");
  CHECK(status.tables == std::vector<std::string>{"numbers"});
  CHECK(status.rows == 100'000);
  CHECK(status.bytes == text.size());
  CHECK(status.rejects == 0);
  CHECK(status.restarts == 0);
  CHECK(status.committed.rows == 100'000);
  CHECK(status.committed.bytes == text.size());
  CHECK(status.committed.restarts == 0);
  CHECK(ingest.commits().rows == 100'000);
  CHECK(!ingest.commits().out_of_room);
  CHECK(ingest.commits().version == host.store->reads().published_version());
  ingest.stop();
  CHECK(host.store->check() == "");
}

TEST_CASE("a missing file, a folder and an unknown table are refused by name") {
  const auto message = [](const std::function<void(Host&)>& add) {
    Host host;
    add(host);
    Ingest ingest(*host.store, host.catalog, host.spec);
    const auto started = ingest.start();
    return started ? std::string() : started.error().message;
  };
  const auto missing = message([](Host& host) { host.add_file("feed", host.folder / "absent"); });
  CHECK(missing.find("source feed: open ") == 0);
  CHECK(missing.find("No such file") != std::string::npos);
  const auto folder = message([](Host& host) { host.add_file("feed", host.folder / "."); });
  CHECK(folder.find("Is a directory") != std::string::npos);
  const auto table = message([](Host& host) {
    host.add_file("feed", host.folder / "x").feeds = {{"number", {}, {}}};
  });
  CHECK(table.find("numbers") != std::string::npos);
}

TEST_CASE("a file that is followed grows, is truncated, replaced, removed and comes again") {
  Host host;
  const auto path = host.folder / "rows";
  host.add_file("file", path, true);
  Ingest& ingest = host.start();
  const auto arrived = [&](std::uint64_t rows) {
    return eventually([&] { return host.status().committed.rows == rows; });
  };
  CHECK(arrived(0));

  write_file(path, rows_from(0, 10));  // it was missing
  REQUIRE(arrived(10));
  append_file(path, rows_from(10, 20) + R"({"id":20,)");  // half a row waits for its rest
  REQUIRE(arrived(20));
  append_file(path, "\"number\":60}\n");
  REQUIRE(arrived(21));
  CHECK(host.status().committed.bytes == std::filesystem::file_size(path));

  write_file(path, rows_from(21, 25));  // truncated, written anew
  REQUIRE(arrived(25));
  CHECK(host.status().restarts == 1);
  CHECK(host.status().committed.restarts == 1);
  CHECK(host.status().committed.bytes == std::filesystem::file_size(path));

  std::filesystem::rename(path, host.folder / "rows.1");
  append_file(host.folder / "rows.1",
              rows_from(25, 30));  // the old one is read to its end, without a name as well
  REQUIRE(arrived(30));
  write_file(host.folder / "new", rows_from(30, 40));
  std::filesystem::rename(host.folder / "new", path);
  REQUIRE(arrived(40));
  CHECK(host.status().restarts == 2);

  std::filesystem::remove(path);
  write_file(host.folder / "new", rows_from(40, 50));
  std::filesystem::rename(host.folder / "new", path);
  REQUIRE(arrived(50));
  CHECK(!ingest.finished());
  ingest.stop();
  CHECK(holds(host.rows(), 50));
  CHECK(host.status().rejects == 0);
}

TEST_CASE("rows written before a rotation and after it all arrive, in many rotations") {
  Host host;
  const auto path = host.folder / "rows";
  write_file(path, "");
  host.add_file("file", path, true);
  Ingest& ingest = host.start();
  constexpr std::uint64_t rotations = 10;
  for (std::uint64_t i = 0; i < rotations; ++i) {
    append_file(path, rows_from(i * 1000, i * 1000 + 500));
    // A rotation that comes before the one before it was noticed would lose a file, as with tail -F.
    REQUIRE(eventually([&] { return host.status().restarts == i; }));
    write_file(host.folder / "new", rows_from(i * 1000 + 500, i * 1000 + 1000));
    std::filesystem::rename(host.folder / "new", path);
  }
  REQUIRE(eventually([&] { return host.status().committed.rows == rotations * 1000; }));
  ingest.stop();
  CHECK(holds(host.rows(), rotations * 1000));
}

}  // namespace file_source_test
