// Durations ("1ms", "5s", "1h") and sizes ("4GiB", "64KiB") as people write them in a config, and times as
// people read them.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace perch {

/// Units: ns us ms s m h d. A plain "0" is allowed. Errors name the text and the units.
Result<std::chrono::nanoseconds> parse_duration(std::string_view text);
/// Units: B KiB MiB GiB TiB (1024) and kB MB GB (1000). A plain number is bytes.
Result<std::uint64_t> parse_size(std::string_view text);

std::string format_duration(std::chrono::nanoseconds duration);  ///< "1.5ms", "2h 3m"
std::string format_size(std::uint64_t bytes);                    ///< "12.3 MiB"
std::string format_utc(std::int64_t unix_ns);                    ///< "2026-11-24T20:16:48.123456789Z"

/// Reads what format_utc writes, with 0 to 9 digits behind the second and a Z at the end; nothing else.
/// Nothing when it is no such time or outside 1677 to 2262, which is what 64 bits of nanoseconds reach.
std::optional<std::int64_t> parse_utc(std::string_view text) noexcept;

/// Now, in nanoseconds since 1970 UTC.
std::int64_t unix_now_ns() noexcept;

}  // namespace perch
