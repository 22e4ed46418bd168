// PERCH_LAYOUT: what the fields of a record are and where they lie, as canonical text and as hash, made at
// compile time. Perch compares the texts of plugin and host before any code of the plugin runs, so a struct
// that does not say exactly what it holds does not compile.
//
//     namespace trades {
//     struct Key {
//       perch::chars<8> symbol;
//       std::uint64_t seq;
//     };
//     PERCH_LAYOUT(Key, symbol, seq)
//     }
//     static_assert(perch::layout_text<trades::Key>() == "{symbol:char[8]@0;seq:uint64@8}16:8");
//
// Field types: std::int8_t … std::uint64_t, float, double, bool, perch::timestamp_ns, perch::chars<N> or
// char[N], and T[N] or std::array<T, N> of a number type. At most 64 fields and 4096 bytes.
#pragma once

#include <cstdint>
#include <string_view>
#include <type_traits>

#include "perch/detail/fields.hpp"
#include "perch/detail/for_each.hpp"
#include "perch/detail/text.hpp"
#include "perch/types.hpp"

namespace perch {

inline constexpr std::size_t record_bytes_max = 4096;
inline constexpr std::size_t encoded_key_bytes_max = 64;

namespace detail {

/// The record as a template argument, which is what makes the macro's checks dependent: a member that has no
/// address gives the message below rather than the compiler's.
template <class T>
struct RecordTag {};

template <class T>
concept HasLayout = requires {
  perch_describe(RecordTag<T>{}, static_cast<const T*>(nullptr));
};

/// Everything that PERCH_LAYOUT said of T. Instantiating it makes the checks on the whole struct.
template <class T>
struct LayoutOf {
  static_assert(HasLayout<T>, "perch: the struct has no PERCH_LAYOUT in its own namespace");
  static constexpr auto description = perch_describe(RecordTag<T>{}, static_cast<const T*>(nullptr));
  static_assert(!description.takes_more,
                "perch: the struct has a field that PERCH_LAYOUT does not list (it may lie in what looks "
                "like padding)");
  static_assert(
      description.takes_listed && fills_record(description.fields, sizeof(T), alignof(T)),
      "perch: PERCH_LAYOUT must list all fields of the struct in their order, each at C's natural alignment "
      "(left out, listed twice or out of order? packed or over-aligned?)");
  static constexpr auto text = make_text([](TextSink& sink) {
    write_layout(sink, description.fields.data(), description.fields.size(), sizeof(T), alignof(T));
  });
  static constexpr std::uint64_t hash = fnv1a_64(text.view());
  static constexpr bool checked = true;
};

}  // namespace detail

/// "{ts:timestamp_ns@0;price:float64@8}16:8"
template <class T>
constexpr std::string_view layout_text() noexcept {
  return detail::LayoutOf<T>::text.view();
}
/// 64-bit FNV-1a of the text.
template <class T>
constexpr std::uint64_t layout_hash() noexcept {
  return detail::LayoutOf<T>::hash;
}

}  // namespace perch

#define PERCH_DETAIL_FIELD(Struct, field)                                                                   \
  if constexpr (std::is_reference_v<decltype(PerchRecord::field)>) {                                        \
    static_assert(!std::is_reference_v<decltype(PerchRecord::field)>,                                       \
                  "perch: field '" #field "' of " #Struct                                                   \
                  " is a reference, which means nothing in another process");                               \
  } else if constexpr (!requires { &PerchRecord::field; }) {                                                \
    static_assert(                                                                                          \
        requires { &PerchRecord::field; },                                                                  \
        "perch: field '" #field "' of " #Struct " is a bit-field; give it a type of its own");              \
  } else {                                                                                                  \
    using PerchField = decltype(PerchRecord::field);                                                        \
    static_assert(!std::is_pointer_v<PerchField> && !std::is_member_pointer_v<PerchField>,                  \
                  "perch: field '" #field "' of " #Struct                                                   \
                  " is a pointer, which means nothing in another process");                                 \
    static_assert(std::is_pointer_v<PerchField> || std::is_member_pointer_v<PerchField> ||                  \
                      ::perch::detail::type_of<PerchField>.kind != ::perch::detail::FieldKind::unsupported, \
                  "perch: field '" #field "' of " #Struct                                                   \
                  " has an unsupported type; use a fixed-width integer, float, double, bool, "              \
                  "perch::timestamp_ns, perch::chars<N>, or an array of numbers");                          \
    static_assert(::perch::detail::is_name(#field), "perch: the name of field '" #field "' of " #Struct     \
                                                    " is not [A-Za-z_][A-Za-z0-9_]{0,63}");                 \
    perch_result.fields[perch_next++] = {#field, ::perch::detail::type_of<PerchField>,                      \
                                         __builtin_offsetof(PerchRecord, field), sizeof(PerchField),        \
                                         alignof(PerchField)};                                              \
  }
#define PERCH_DETAIL_COUNT(Struct, field) +1
#define PERCH_DETAIL_INITIALISER(Struct, field) {},

/// Describes `Struct` by its fields, all of them, in order. Use it in the struct's own namespace, after the
/// struct.
#define PERCH_LAYOUT(Struct, ...)                                                                         \
  static_assert(std::is_standard_layout_v<Struct>,                                                        \
                "perch: " #Struct                                                                         \
                " is not standard-layout: no virtual functions, no references, no mixed access, "         \
                "fields in one class only");                                                              \
  static_assert(std::is_trivially_copyable_v<Struct>,                                                     \
                "perch: " #Struct " is not trivially copyable: only plain data can be shared");           \
  static_assert(std::is_aggregate_v<Struct>,                                                              \
                "perch: " #Struct                                                                         \
                " is not an aggregate: no constructors, no private fields, no base with them");           \
  static_assert(sizeof(Struct) <= ::perch::record_bytes_max, "perch: " #Struct " is over 4096 bytes");    \
  template <class PerchRecord>                                                                            \
  requires std::is_same_v<PerchRecord, Struct>                                                            \
  consteval auto perch_describe(::perch::detail::RecordTag<PerchRecord>, const Struct*) {                 \
    constexpr std::size_t perch_count = 0 PERCH_DETAIL_FOR_EACH(PERCH_DETAIL_COUNT, Struct, __VA_ARGS__); \
    static_assert(perch_count >= 1 && perch_count <= 64, "perch: PERCH_LAYOUT takes 1 to 64 fields");     \
    ::perch::detail::Description<perch_count> perch_result;                                               \
    [[maybe_unused]] std::size_t perch_next = 0;                                                          \
    PERCH_DETAIL_FOR_EACH(PERCH_DETAIL_FIELD, Struct, __VA_ARGS__)                                        \
    perch_result.takes_listed = requires {                                                                \
      PerchRecord{PERCH_DETAIL_FOR_EACH(PERCH_DETAIL_INITIALISER, Struct, __VA_ARGS__)};                  \
    };                                                                                                    \
    perch_result.takes_more = requires {                                                                  \
      PerchRecord{PERCH_DETAIL_FOR_EACH(PERCH_DETAIL_INITIALISER, Struct, __VA_ARGS__){}};                \
    };                                                                                                    \
    return perch_result;                                                                                  \
  }                                                                                                       \
  static_assert(::perch::detail::LayoutOf<Struct>::checked);

#include "perch/table.hpp"
