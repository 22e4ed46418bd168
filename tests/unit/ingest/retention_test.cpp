// What retention leaves over goes without further rows.
#include <doctest/doctest.h>

#include <chrono>
#include <string>

#include "unit/ingest/ingest_fixture.hpp"

using namespace perch::ingest;
using namespace perch::ingest::test;
using perch::tables::TableSpec;

namespace retention_test {

constexpr std::int64_t rows = 250'000;

std::string event_row(std::int64_t ts) {
  const std::string number = std::to_string(ts);
  return "{\"ts\":" + number + ",\"number\":" + number + ",\"at\":" + number + "}\n";
}

/// Rows for `rows` nanoseconds, by the key's field or by one of the value.
TableSpec events_table(const std::string& by) {
  return {"events",
          {{"ts", "timestamp_ns"}},
          {{"number", "int64"}, {"at", "timestamp_ns"}},
          perch::tables::RetainSpec{{}, std::chrono::nanoseconds(rows), by}};
}

TEST_CASE("after a leap of the time old rows go in several versions, while no further row comes") {
  for (const std::string by : {"ts", "at"}) {
    CAPTURE(by);
    const auto started = std::chrono::steady_clock::now();
    Host host({events_table(by)});
    std::string text;
    for (std::int64_t ts = 0; ts < rows; ++ts) text += event_row(ts);
    const auto feed = host.folder / "feed";
    write_file(feed, text);
    host.add_file("feed", feed, true);
    Ingest& ingest = host.start();
    REQUIRE(eventually([&] { return host.status().committed.rows == rows; }));
    CHECK(host.rows().size() == rows);
    CHECK(ingest.evicted_rows().at(0) == 0);

    const auto version = ingest.commits().version;
    append_file(feed, event_row(3 * rows));
    REQUIRE(eventually([&] { return ingest.evicted_rows().at(0) == rows; }));
    CHECK(eventually([&] { return host.rows().size() == 1; }));
    CHECK(host.rows().begin()->second == 3 * rows);
    CHECK(ingest.commits().rows == rows + 1);
    CHECK(ingest.commits().version >= version + 3);  // a hundred thousand rows each
    CHECK(ingest.commits().version <= version + 4);  // and no empty ones for ever
    const std::chrono::nanoseconds lasted = std::chrono::steady_clock::now() - started;
    CHECK(ingest.commits().longest_gap_ns <= lasted.count());  // no row waited for these commits
    ingest.stop();
    CHECK(host.store->check() == "");
  }
}

}  // namespace retention_test
