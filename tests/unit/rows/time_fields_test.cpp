// Times of both text formats: equal texts are equal times, and formats of one's own.
#include <doctest/doctest.h>

#include "unit/rows/decoder_fixture.hpp"
#include "unit/test_files.hpp"

using namespace perch::rows;
using namespace perch::rows::test;
using perch::test::has;

namespace time_fields_test {

std::vector<perch::tables::TableSpec> table() {
  return {{"times", {{"at", "timestamp_ns"}}, {{"n", "int32"}}, {}}};
}

FeedSpec feed(const MemberSpec& at) {
  FeedSpec spec;
  spec.table = "times";
  spec.map = {{"at", at}};
  return spec;
}

DecoderBench bench(Format format, const MemberSpec& at) { return DecoderBench(format, table(), {feed(at)}); }

TEST_CASE("equal texts are equal times, in NDJSON and in CSV") {
  MemberSpec at;
  at.unit = TimeUnit::s;
  for (const char* text : {"1764015408.123456789", "1764015408.1234567891", "1764015408.1",
                           "1.764015408123456789e9", "1764015408", "-0.000000001"}) {
    CAPTURE(text);
    auto json = bench(Format::ndjson, at);
    json.feed(std::string("{\"n\":1,\"at\":") + text + "}\n");
    auto csv = bench(Format::csv, at);
    csv.feed(std::string("n,at\n1,") + text + "\n");
    REQUIRE(json.rows.size() == 1);
    REQUIRE(csv.rows.size() == 1);
    CHECK(json.rows == csv.rows);
  }
  auto exact = bench(Format::ndjson, at);
  exact.feed("{\"n\":1,\"at\":1764015408.123456789}\n");
  REQUIRE(exact.rows.size() == 1);
  CHECK(has(exact.rows[0], "1764015408123456789"));
}

TEST_CASE("a time is read by the format and zone of its member") {
  MemberSpec at;
  at.time_format = "%Y%m%d %H%M%S%3N";
  at.zone = "America/New_York";
  auto json = bench(Format::ndjson, at);
  json.feed("{\"n\":1,\"at\":\"20260305 093000123\"}\n");
  auto csv = bench(Format::csv, at);
  csv.feed("n,at\n1,20260305 093000123\n");
  REQUIRE(json.rows.size() == 1);
  CHECK(json.rows == csv.rows);
  CHECK(has(json.rows[0], "1772721000123000000"));

  at.time_format = "%Y%m%d";
  at.zone = "";
  auto number = bench(Format::ndjson, at);
  number.feed("{\"n\":1,\"at\":20260305}\n");
  REQUIRE(number.rows.size() == 1);
  CHECK(has(number.rows[0], "1772668800000000000"));
}

TEST_CASE("local times that a zone has twice or not at all are rejected with that reason") {
  MemberSpec at;
  at.time_format = "%F %T";
  at.zone = "America/New_York";
  for (const Format format : {Format::ndjson, Format::csv}) {
    auto rows = bench(format, at);
    const bool is_json = format == Format::ndjson;
    const auto row = [&](const std::string& time) {
      return is_json ? "{\"n\":1,\"at\":\"" + time + "\"}\n" : "1," + time + "\n";
    };
    rows.feed((is_json ? "" : "n,at\n") + row("2026-11-01 01:30:00") + row("2026-03-08 02:30:00") +
              row("yesterday"));
    CHECK(rows.rows.empty());
    REQUIRE(rows.rejects.size() == 3);
    CHECK(rows.rejects[0].starts_with("ambiguous_time"));
    CHECK(rows.rejects[1].starts_with("missing_time"));
    CHECK(rows.rejects[2].starts_with("wrong_type"));
    CHECK(has(rows.rejects[2], "expected a time as %F %T"));
  }
}

TEST_CASE("formats are for times, zones for formats") {
  const auto catalog = perch::tables::Catalog::make(table());
  REQUIRE(catalog);
  const auto problem = [&](const MemberSpec& at, const char* field) {
    FeedSpec spec;
    spec.table = "times";
    spec.map = {{field, at}};
    const auto made = Mapping::make({spec}, *catalog);
    REQUIRE_FALSE(made.has_value());
    return made.error().message;
  };
  MemberSpec at;
  at.time_format = "%F";
  CHECK(problem(at, "n") == "map.n: \"format\" is for a timestamp_ns, not for a int32");
  at.unit = TimeUnit::ms;
  CHECK(has(problem(at, "at"), "leave out \"unit\""));
  at = {};
  at.zone = "Europe/Berlin";
  CHECK(problem(at, "at") == "map.at: \"zone\" is for a time with a \"format\"");
  at.time_format = "%H";
  CHECK(has(problem(at, "at"), "needs a year"));
}

}  // namespace time_fields_test
