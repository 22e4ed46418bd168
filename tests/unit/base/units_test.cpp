#include "base/units.hpp"

#include <doctest/doctest.h>

using namespace std::chrono_literals;
using perch::format_duration;
using perch::format_size;
using perch::format_utc;
using perch::parse_duration;
using perch::parse_size;
using perch::parse_utc;

TEST_CASE("a duration is a number and a unit") {
  CHECK(parse_duration("0") == 0ns);
  CHECK(parse_duration("250ns") == 250ns);
  CHECK(parse_duration("1.5ms") == 1500us);
  CHECK(parse_duration("5 s") == 5s);
  CHECK(parse_duration("1m") == 60s);
  CHECK(parse_duration("2h") == 2h);
  CHECK(parse_duration("1d") == 24h);
}

TEST_CASE("what is no duration is refused by name") {
  for (const char* text : {"", "5", "ms", "-1s", "1 fortnight", "1sx", "nan s", "1e300h", "300000000d"}) {
    CAPTURE(text);
    const auto parsed = parse_duration(text);
    REQUIRE_FALSE(parsed);
    CHECK(parsed.error().kind == perch::ErrorKind::usage);
    CHECK(parsed.error().message.find("\"" + std::string(text) + "\"") != std::string::npos);
  }
}

TEST_CASE("a size is a number and a unit, powers of 1024 with an i") {
  CHECK(parse_size("17") == 17u);
  CHECK(parse_size("64KiB") == 65536u);
  CHECK(parse_size("4GiB") == std::uint64_t{4} << 30);
  CHECK(parse_size("1.5MB") == 1'500'000u);
  for (const char* text : {"", "GiB", "-1", "4gib", "1e30TiB", "1 KiB!"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_size(text));
  }
}

TEST_CASE("durations and sizes are written for people") {
  CHECK(format_duration(250ns) == "250ns");
  CHECK(format_duration(1500us) == "1.5ms");
  CHECK(format_duration(123min) == "2h 3m");
  CHECK(format_size(512) == "512 B");
  CHECK(format_size(12'900'000) == "12.3 MiB");
}

TEST_CASE("a time reads back as it was written") {
  CHECK(format_utc(0) == "1970-01-01T00:00:00.000000000Z");
  for (const std::int64_t ns : {std::int64_t{0}, std::int64_t{-1}, std::int64_t{1'795'551'408'123'456'789},
                                std::int64_t{951'782'400'000'000'000}, INT64_MIN, INT64_MAX}) {
    CAPTURE(ns);
    CHECK(parse_utc(format_utc(ns)) == ns);
  }
  CHECK(parse_utc("2026-11-24T20:16:48.123Z") == 1'795'551'408'123'000'000);
  CHECK(parse_utc("2026-11-24T20:16:48Z") == 1'795'551'408'000'000'000);
  CHECK(parse_utc("2000-02-29T00:00:00Z") == 951'782'400'000'000'000);
}

TEST_CASE("what is no UTC time is refused") {
  for (const char* text :
       {"", "Z", "2026-11-24", "2026-11-24T20:16:48", "2026-11-24T20:16:48.Z",
        "2026-11-24T20:16:48.1234567890Z", "2026-11-24T20:16:48.12x4Z", "2026-11-24T24:00:00Z",
        "2026-11-24T20:60:00Z", "2026-11-24T20:16:60Z", "2026-13-01T00:00:00Z", "2025-02-29T00:00:00Z",
        "2026-00-10T00:00:00Z", "2026-11-24 20:16:48Z", "2026-11-24T20:16:48+01:00",
        "1677-09-21T00:12:43.145224191Z", "2262-04-11T23:47:16.854775808Z", "9999-01-01T00:00:00Z",
        "+026-11-24T20:16:48Z"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_utc(text).has_value());
  }
}
