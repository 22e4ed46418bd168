// The types that a field can have: their names, their sizes, their C++ types.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/assert.hpp"
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

/// Calls `use` with the C++ type of a number field, as a std::type_identity: int8_t … double, and int64_t for
/// timestamp_ns. Not for bool and char[N], which are not numbers.
template <class Use>
auto with_number_type(FieldType type, Use use) {
  switch (type) {
    case FieldType::int8:
      return use(std::type_identity<std::int8_t>());
    case FieldType::int16:
      return use(std::type_identity<std::int16_t>());
    case FieldType::int32:
      return use(std::type_identity<std::int32_t>());
    case FieldType::int64:
    case FieldType::timestamp_ns:
      return use(std::type_identity<std::int64_t>());
    case FieldType::uint8:
      return use(std::type_identity<std::uint8_t>());
    case FieldType::uint16:
      return use(std::type_identity<std::uint16_t>());
    case FieldType::uint32:
      return use(std::type_identity<std::uint32_t>());
    case FieldType::uint64:
      return use(std::type_identity<std::uint64_t>());
    case FieldType::float32:
      return use(std::type_identity<float>());
    case FieldType::float64:
      return use(std::type_identity<double>());
    case FieldType::boolean:
    case FieldType::chars:
      break;
  }
  PERCH_ASSERT(false, "bool and chars are not numbers");
}

}  // namespace perch::tables
