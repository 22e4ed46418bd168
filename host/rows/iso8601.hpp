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

enum class TimeError : std::uint8_t {
  none,
  malformed,
  out_of_range,
  ambiguous,  ///< a local time that a zone has twice: its clocks were set back
  missing,    ///< a local time that a zone does not have: its clocks were set forward
};
struct ParsedTime {
  std::int64_t unix_ns = 0;
  TimeError error = TimeError::none;
};

/// 2026-11-24T20:16:48.123456789Z. Also: a space for the T, no seconds, no time at all (midnight), any number
/// of decimals of the second (beyond nine they are cut off), Z or +01:00, +0100, +01; without one of these it
/// is UTC. A leap second (23:59:60 UTC; RFC 3339, 5.7) is the first second of the next day, as in POSIX.
/// Minutes have no decimals.
ParsedTime parse_iso8601(std::string_view text) noexcept;

/// 1764015408, 1764015408.25 or 1.76401540825e9, exactly; what is beyond the nanosecond is cut off.
ParsedTime parse_time_number(std::string_view text, TimeUnit unit) noexcept;

/// out_of_range when it leaves 64 bits of nanoseconds.
ParsedTime time_of(std::int64_t number, TimeUnit unit) noexcept;
ParsedTime time_of(std::int64_t seconds, std::int64_t ns) noexcept;

}  // namespace perch::rows
