// A second look at rows with numbers that simdjson refuses: malformed ones and those that are merely too
// large.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace perch::rows {

/// The member name of the objects that stand for numbers in the rewritten text.
inline constexpr std::string_view big_number_member = "perch:big_number";

/// The JSON text with every number that is well-formed, but beyond 64-bit integers or beyond float64,
/// replaced by
/// {"perch:big_number":"<the number>"}. Nothing when there is none, or when the text holds that name itself.
std::optional<std::string> rewrite_big_numbers(std::string_view json);

/// Whether a well-formed JSON number is written as an integer.
bool is_integer_literal(std::string_view number) noexcept;

/// The nearest float64 of a well-formed JSON number; infinite when it is beyond.
double to_double(std::string_view number);

}  // namespace perch::rows
