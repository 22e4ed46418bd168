// What PERCH_LAYOUT finds out about a struct's fields.
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

#include "perch/detail/text.hpp"
#include "perch/types.hpp"

namespace perch::detail {

enum class FieldKind : std::uint8_t { unsupported, number, boolean, timestamp, text };

/// A field's type: `name` as layouts write it, `extent` the N of T[N] and char[N], 0 for a single value.
struct FieldType {
  FieldKind kind = FieldKind::unsupported;
  std::string_view name = "";
  std::size_t extent = 0;
};

/// By size and sign, since `long` and `long long` are both int64 somewhere; the character types are not
/// numbers.
template <class T>
consteval FieldType number_type() {
  constexpr bool character = std::same_as<T, char> || std::same_as<T, wchar_t> || std::same_as<T, char8_t> ||
                             std::same_as<T, char16_t> || std::same_as<T, char32_t>;
  if constexpr (std::same_as<T, float>) {
    return {FieldKind::number, "float32", 0};
  } else if constexpr (std::same_as<T, double>) {
    return {FieldKind::number, "float64", 0};
  } else if constexpr (std::integral<T> && !character && !std::same_as<T, bool> && sizeof(T) <= 8) {
    constexpr std::string_view names[2][4] = {{"uint8", "uint16", "uint32", "uint64"},
                                              {"int8", "int16", "int32", "int64"}};
    constexpr int width = sizeof(T) == 1 ? 0 : sizeof(T) == 2 ? 1 : sizeof(T) == 4 ? 2 : 3;
    return {FieldKind::number, names[std::signed_integral<T> ? 1 : 0][width], 0};
  } else {
    return {};
  }
}

template <class T>
consteval FieldType array_type(std::size_t extent) {
  if constexpr (std::same_as<T, char>) {
    return {FieldKind::text, "char", extent};
  } else {
    constexpr FieldType element = number_type<T>();
    return {element.kind, element.name, extent};
  }
}

template <class T>
struct TypeOf {
  static constexpr FieldType value = number_type<T>();
};
template <>
struct TypeOf<bool> {
  static constexpr FieldType value{FieldKind::boolean, "bool", 0};
};
template <>
struct TypeOf<timestamp_ns> {
  static constexpr FieldType value{FieldKind::timestamp, "timestamp_ns", 0};
};
template <std::size_t N>
struct TypeOf<chars<N>> {
  static constexpr FieldType value{FieldKind::text, "char", N};
};
template <class T, std::size_t N>
struct TypeOf<T[N]> {
  static constexpr FieldType value = array_type<std::remove_cv_t<T>>(N);
};
template <class T, std::size_t N>
requires(N > 0) struct TypeOf<std::array<T, N>> {
  static constexpr FieldType value = array_type<std::remove_cv_t<T>>(N);
};

template <class T>
inline constexpr FieldType type_of = TypeOf<std::remove_cv_t<T>>::value;

struct Field {
  std::string_view name = "";
  FieldType type{};
  std::size_t offset = 0;
  std::size_t size = 0;
  std::size_t align = 1;
};

/// The fields in the order listed, and how many initialisers the struct takes: none is forgotten when the two
/// agree.
template <std::size_t Count>
struct Description {
  std::array<Field, Count> fields{};
  bool takes_listed = false;  ///< Record{{}, … {}} with an initialiser for each listed field is well formed
  bool takes_more = false;    ///< and so it is with one more: the struct has a field that is not listed
};

constexpr std::size_t round_up(std::size_t size, std::size_t align) noexcept {
  return (size + align - 1) / align * align;
}

/// Whether the fields, in order and each at the next place that its alignment allows, fill a record of this
/// size.
template <std::size_t Count>
constexpr bool fills_record(const std::array<Field, Count>& fields, std::size_t size,
                            std::size_t align) noexcept {
  std::size_t end = 0;
  std::size_t align_max = 1;
  for (const Field& field : fields) {
    if (field.offset != round_up(end, field.align)) return false;
    end = field.offset + field.size;
    align_max = field.align > align_max ? field.align : align_max;
  }
  return align == align_max && size == round_up(end, align_max);
}

constexpr void write_layout(TextSink& sink, const Field* fields, std::size_t count, std::size_t size,
                            std::size_t align) noexcept {
  for (std::size_t i = 0; i < count; ++i) {
    sink << (i == 0 ? "{" : ";") << fields[i].name << ":" << fields[i].type.name;
    if (fields[i].type.extent != 0) sink << "[" << fields[i].type.extent << "]";
    sink << "@" << fields[i].offset;
  }
  sink << "}" << size << ":" << align;
}

}  // namespace perch::detail
