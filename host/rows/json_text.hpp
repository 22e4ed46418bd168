// The text of a value in a JSON row: for numbers that a parser has rounded already.
#pragma once

#include <span>
#include <string_view>

namespace perch::rows {

/// The value at the end of the path: names of members, places of elements as digits. Of members with the same
/// name the last one counts. `json` has been parsed and is well formed. "" when there is no such value.
std::string_view json_text_at(std::string_view json, std::span<const std::string_view> path);

}  // namespace perch::rows
