// Times as text: ISO 8601 and RFC 3339, and numbers of some unit since 1970.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace perch::rows {

enum class TimeUnit : std::uint8_t { ns, us, ms, s };

/// Nanoseconds in one.
constexpr std::int64_t factor_of(TimeUnit unit) noexcept {
  switch (unit) {
    case TimeUnit::ns:
      return 1;
    case TimeUnit::us:
      return 1'000;
    case TimeUnit::ms:
      return 1'000'000;
    case TimeUnit::s:
      return 1'000'000'000;
  }
  return 1;
}

enum class TimeError : std::uint8_t { none, malformed, out_of_range };
struct ParsedTime {
  std::int64_t unix_ns = 0;
  TimeError error = TimeError::none;
};

/// 2026-11-24T20:16:48.123456789Z. Also: a space for the T, no seconds, no time at all (midnight), any number
/// of decimals (beyond nine they are cut off), Z or +01:00, +0100, +01; without one of these it is UTC.
ParsedTime parse_iso8601(std::string_view text) noexcept;

/// 1764015408 or 1764015408.25, exactly; decimals beyond the nanosecond are cut off.
ParsedTime parse_time_number(std::string_view text, TimeUnit unit) noexcept;

/// Whole or not, of `unit`: out_of_range when it leaves 64 bits of nanoseconds.
ParsedTime time_of(std::int64_t number, TimeUnit unit) noexcept;
ParsedTime time_of(double number, TimeUnit unit) noexcept;

}  // namespace perch::rows
