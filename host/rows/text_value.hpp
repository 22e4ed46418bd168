// Field values from plain text, as CSV has them.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "rows/iso8601.hpp"
#include "rows/reject.hpp"
#include "rows/time_format.hpp"
#include "tables/layout.hpp"

namespace perch::rows {

/// Why a text is no value of a field's type; false: it was one.
struct TextError {
  bool failed = false;
  RejectReason reason = RejectReason::wrong_type;
  std::string expected;  ///< "an integer from -128 to 127"
  explicit operator bool() const noexcept { return failed; }
};

/// Numbers: decimal, with spaces around and a + before them; floats also nan and inf. bool: true, false, 1,
/// 0. timestamp_ns: a number of `unit`, decimals too, or ISO 8601. char[N]: as it is. T[N]: N of them,
/// between spaces, commas or semicolons, in [ ] or not. Writes the whole field.
TextError store_text_value(const tables::Field& field, std::string_view text, TimeUnit unit, std::byte* out);
/// A time that is written in a way of its own, with spaces around.
TextError store_formatted_time(const TimeFormat& format, std::string_view text, std::byte* out);

}  // namespace perch::rows
