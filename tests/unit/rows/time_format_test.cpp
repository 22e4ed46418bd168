#include "rows/time_format.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>

using namespace perch::rows;

namespace time_format_test {

TimeFormat format(std::string_view text, const std::string& zone = "") {
  auto made = TimeFormat::make(text, zone);
  REQUIRE_MESSAGE(made.has_value(), (made ? "" : made.error().message));
  return *made;
}

/// Equal to what ISO 8601 says.
void check_is(std::string_view layout, std::string_view text, std::string_view iso,
              const std::string& zone = "") {
  CAPTURE(layout);
  CAPTURE(text);
  const ParsedTime time = format(layout, zone).parse(text);
  REQUIRE(time.error == TimeError::none);
  CHECK(time.unix_ns == parse_iso8601(iso).unix_ns);
}

TimeError error_of(std::string_view layout, std::string_view text, const std::string& zone = "") {
  return format(layout, zone).parse(text).error;
}

std::string refusal(std::string_view layout, const std::string& zone = "") {
  const auto made = TimeFormat::make(layout, zone);
  REQUIRE_FALSE(made.has_value());
  return made.error().message;
}

TEST_CASE("time formats: the parts of a time are read as strptime reads them") {
  check_is("%Y%m%d %H%M%S%3N", "20260305 143000123", "2026-03-05T14:30:00.123Z");
  check_is("%d/%b/%Y:%T %z", "10/Oct/2000:13:55:36 -0700", "2000-10-10T20:55:36Z");
  check_is("%d.%m.%y %R", "05.03.26 14:30", "2026-03-05T14:30:00Z");
  check_is("%m/%d/%Y %I:%M:%S %p", "3/5/2026 02:30:00 pm", "2026-03-05T14:30:00Z");
  check_is("%m/%d/%Y %I:%M %p", "03/05/2026 12:05 AM", "2026-03-05T00:05:00Z");
  check_is("%Y-%j", "2024-366", "2024-12-31T00:00:00Z");
  check_is("%a, %d %b %Y %T %Z", "Thu, 05 Mar 2026 14:30:00 GMT", "2026-03-05T14:30:00Z");
  check_is("%B %e %Y", "march  5 2026", "2026-03-05T00:00:00Z");
  check_is("%s.%6N", "1772721000.000001", "2026-03-05T14:30:00.000001Z");
  check_is("%F %T.%N", "2026-03-05 14:30:00.5", "2026-03-05T14:30:00.5Z");
  check_is("100%% %F", "100% 2026-03-05", "2026-03-05T00:00:00Z");
}

TEST_CASE("time formats: a local time is one of its zone, summer and winter") {
  check_is("%F %T", "2026-01-15 09:30:00", "2026-01-15T14:30:00Z", "America/New_York");
  check_is("%F %T", "2026-07-15 09:30:00", "2026-07-15T13:30:00Z", "America/New_York");
  check_is("%F %T", "2026-07-15 09:30:00", "2026-07-15T07:30:00Z", "Europe/Berlin");
  check_is("%F %T%z", "2026-07-15 09:30:00+0000", "2026-07-15T09:30:00Z", "Europe/Berlin");
}

TEST_CASE("time formats: an hour that a zone has twice, or not at all, is told") {
  CHECK(error_of("%F %T", "2026-11-01 01:30:00", "America/New_York") == TimeError::ambiguous);
  CHECK(error_of("%F %T", "2026-03-08 02:30:00", "America/New_York") == TimeError::missing);
  check_is("%F %T", "2026-11-01 02:00:00", "2026-11-01T07:00:00Z", "America/New_York");
  check_is("%F %T", "2026-03-08 03:00:00", "2026-03-08T07:00:00Z", "America/New_York");
}

TEST_CASE("time formats: leap seconds end a day of UTC") {
  check_is("%F %T", "2016-12-31 23:59:60", "2017-01-01T00:00:00Z");
  check_is("%F %T", "2016-12-31 18:59:60", "2017-01-01T00:00:00Z", "America/New_York");
  CHECK(error_of("%F %T", "2016-12-31 12:00:60") == TimeError::malformed);
}

TEST_CASE("time formats: what is not such a time is malformed") {
  for (const char* text :
       {"", "2026-03-05", "2026-03-05 14:30:00 ", "2026-13-05 14:30:00", "2026-02-30 14:30:00",
        "2026-03-05 24:30:00", "2026-03-05 14:60:00", "2026-03-05T14:30:00", "x026-03-05 14:30:00"}) {
    CAPTURE(text);
    CHECK(error_of("%F %T", text) == TimeError::malformed);
  }
  CHECK(error_of("%Y%m%d%3N", "2026030512") == TimeError::malformed);
  CHECK(error_of("%Y-%j", "2025-366") == TimeError::malformed);
  CHECK(error_of("%F", "9999-01-01") == TimeError::out_of_range);
}

TEST_CASE("time formats: a format or zone that cannot be is refused in words") {
  CHECK(refusal("%Y-%Q").find("\"%Q\" is not a part of a time") != std::string::npos);
  CHECK(refusal("%F %").find("is not a part of a time") != std::string::npos);
  CHECK(refusal("%F %4N").find("%4N") != std::string::npos);
  CHECK(refusal("%H:%M").find("needs a year") != std::string::npos);
  CHECK(refusal("%F %I").find("need each other") != std::string::npos);
  CHECK(refusal("%F", "Mars/Olympus").find("\"Mars/Olympus\" is not a time zone") != std::string::npos);
}

}  // namespace time_format_test
