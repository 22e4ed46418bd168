// Why a row is not taken. The names are public: they stand in the reject log and in the status.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

namespace perch::rows {

enum class RejectReason : std::uint8_t {
  not_json,
  not_object,
  missing_field,
  wrong_type,
  out_of_range,
  string_too_long,
  not_utf8,
  nul_in_string,
  nan_in_key,
  row_too_long,
  wrong_columns,   ///< csv: more or fewer than there should be, or an open quote
  wrong_layout,    ///< binary: the stream's records are not the table's
  bad_frame,       ///< binary: what should be a frame is none
  ambiguous_time,  ///< a local time that its zone has twice: the clocks were set back
  missing_time,    ///< a local time that its zone does not have: the clocks were set forward
  bad_checksum,    ///< binary: the frame was damaged on its way; all of its rows are lost
};
inline constexpr std::array<const char*, 16> reject_reason_names{
    "not_json",  "not_object",     "missing_field", "wrong_type",   "out_of_range",  "string_too_long",
    "not_utf8",  "nul_in_string",  "nan_in_key",    "row_too_long", "wrong_columns", "wrong_layout",
    "bad_frame", "ambiguous_time", "missing_time",  "bad_checksum"};

constexpr const char* name(RejectReason reason) noexcept {
  return reject_reason_names[static_cast<std::size_t>(reason)];
}

inline constexpr std::size_t shown_bytes_max = 60;  ///< of a value, in a message

struct Reject {
  RejectReason reason = RejectReason::not_json;
  std::string message;  ///< the field, what was expected, what was found
};

}  // namespace perch::rows
