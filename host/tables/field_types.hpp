// The types that a field can have: their names and sizes.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tables/layout.hpp"

namespace perch::tables {

/// "float64"; "char" for FieldType::chars.
std::string_view type_name(FieldType type) noexcept;
std::uint32_t type_size(FieldType type) noexcept;  ///< bytes of one element; also its alignment
bool is_integer(FieldType type) noexcept;          ///< int8 … uint64, without timestamp_ns
bool is_float(FieldType type) noexcept;
bool is_signed(FieldType type) noexcept;  ///< int8 … int64 and timestamp_ns

struct ParsedType {
  FieldType type;
  std::uint32_t extent;  ///< 0: a single value
};
/// Reads "float64", "char[8]", "uint32[4]" as they are written canonically; nothing else.
std::optional<ParsedType> parse_type(std::string_view text) noexcept;

/// `field "price" (float64)`, for messages.
std::string quoted(const Field& field);

/// All of type_name, for "did you mean" and lists.
const std::vector<std::string>& type_names();

}  // namespace perch::tables
