// An idle stream: nothing is committed, and what readers let go comes back all the same.
#include <doctest/doctest.h>

#include <string>

#include "unit/ingest/ingest_fixture.hpp"

using namespace perch::ingest;
using namespace perch::ingest::test;

TEST_CASE("while no rows come, a snapshot that goes gives its memory back") {
  constexpr std::uint64_t rows = 20'000;
  auto numbers = [](std::int64_t number) {
    std::string text;
    for (std::uint64_t id = 0; id < rows; ++id) text += number_row(id, number);
    return text;
  };
  Host host;
  const auto feed = host.folder / "feed";
  write_file(feed, numbers(1));
  host.add_file("feed", feed, true);
  Ingest& ingest = host.start();
  REQUIRE(eventually([&] { return host.status().committed.rows == rows; }));

  perch::tree::SharedSnapshot held = host.store->reads().acquire();
  append_file(feed, numbers(2));
  REQUIRE(eventually([&] { return host.status().committed.rows == 2 * rows; }));
  REQUIRE(eventually([&] {  // the idle writer looks at the pins: all that waits now hangs on this one
    const auto retained = host.store->retained_versions();
    return retained.size() == 1 && retained.front().bytes == host.store->stats().retained_bytes;
  }));
  const std::uint64_t retained_bytes = host.store->stats().retained_bytes;
  CHECK(retained_bytes >= rows * 8);
  CHECK(held->snapshot().rows(0) == rows);

  held.reset();
  CHECK(eventually([&] { return host.store->stats().retained_bytes == 0; }));
  CHECK(ingest.commits().rows == 2 * rows);
  ingest.stop();
  CHECK(host.store->check() == "");
}
