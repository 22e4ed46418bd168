#include "rows/iso8601.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <string_view>

using namespace perch::rows;

namespace iso8601_test {

std::int64_t ns(std::string_view text) {
  const ParsedTime time = parse_iso8601(text);
  CAPTURE(text);
  REQUIRE(time.error == TimeError::none);
  return time.unix_ns;
}

std::int64_t number(std::string_view text, TimeUnit unit) {
  const ParsedTime time = parse_time_number(text, unit);
  CAPTURE(text);
  REQUIRE(time.error == TimeError::none);
  return time.unix_ns;
}

TEST_CASE("times: only seconds have decimals") {
  CHECK(ns("2026-01-01T12:30:00.5Z") - ns("2026-01-01T12:30Z") == 500'000'000);
  CHECK(parse_iso8601("2026-01-01T12:30.5Z").error == TimeError::malformed);
  CHECK(parse_iso8601("2026-01-01T12:30,5").error == TimeError::malformed);
}

TEST_CASE("times: a leap second ends a day of UTC, wherever it is written") {
  CHECK(ns("2016-12-31T23:59:60Z") == ns("2017-01-01T00:00:00Z"));
  CHECK(ns("2016-12-31T23:59:60.25Z") == ns("2017-01-01T00:00:00.25Z"));
  CHECK(ns("2016-12-31T15:59:60-08:00") == ns("2017-01-01T00:00:00Z"));
  CHECK(ns("1990-12-31T23:59:60Z") == ns("1991-01-01T00:00:00Z"));
  CHECK(parse_iso8601("2016-12-31T23:58:60Z").error == TimeError::malformed);
  CHECK(parse_iso8601("2016-12-31T23:59:61Z").error == TimeError::malformed);
  CHECK(parse_iso8601("2016-12-31T23:59:60-08:00").error == TimeError::malformed);
}

TEST_CASE("times: numbers are read exactly, with decimals and exponents") {
  CHECK(number("1764015408.123456789", TimeUnit::s) == 1'764'015'408'123'456'789);
  CHECK(number("1764015408.1234567899", TimeUnit::s) == 1'764'015'408'123'456'789);
  CHECK(number("1764015408123.4567", TimeUnit::ms) == 1'764'015'408'123'456'700);
  CHECK(number("1.764015408e9", TimeUnit::s) == 1'764'015'408'000'000'000);
  CHECK(number("1764015408123456789E-9", TimeUnit::s) == 1'764'015'408'123'456'789);
  CHECK(number("-0.000000001", TimeUnit::s) == -1);
  CHECK(number("0e999999999999999999999", TimeUnit::s) == 0);
  CHECK(number("1e-999999999999999999999", TimeUnit::s) == 0);
  CHECK(number("-9223372036854775808", TimeUnit::ns) == INT64_MIN);
  CHECK(parse_time_number("9223372036854775808", TimeUnit::ns).error == TimeError::out_of_range);
  CHECK(parse_time_number("1e300", TimeUnit::s).error == TimeError::out_of_range);
  for (const std::string_view text : {"", "1.", ".5", "1e", "1e+", "--1", "1 ", "1x", "+-1"}) {
    CAPTURE(text);
    CHECK(parse_time_number(text, TimeUnit::s).error == TimeError::malformed);
  }
}

}  // namespace iso8601_test
