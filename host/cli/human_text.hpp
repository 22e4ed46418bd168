// JSON values as people read them in a terminal.
#pragma once

#include <string>
#include <string_view>

#include "cli/outcome.hpp"

namespace perch::cli {

/// Exact: numbers as they are. Control characters, which a terminal would obey, are shown as \x1b.
std::string exact_text(const Json& value);

/// Rounded to about six digits.
std::string rounded_text(double value);

/// By the unit at the end of the member's name (_bytes, _bytes_per_s, _ns), numbers rounded.
std::string rounded_text(std::string_view name, const Json& value);

/// 12345678 → 12,345,678.
std::string grouped_text(std::uint64_t value);

/// Members that are durations in ns, sizes in bytes and numbers of things.
std::string duration_text(const Json& ns);
std::string size_text(const Json& bytes);
std::string count_text(const Json& count);

/// "12:00:01.123": the time of day, UTC, of a time in ns since 1970.
std::string clock_text(std::int64_t unix_ns);

/// A reader's result: members in a line, arrays and objects of objects as small tables. Every line is
/// indented by two.
std::string pretty_text(const Json& value);

}  // namespace perch::cli
