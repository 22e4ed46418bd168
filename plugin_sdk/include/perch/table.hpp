// Table: a table of the host as a reader sees it: its name and the records of its keys and values.
#pragma once

#include <cstddef>
#include <string_view>

#include "perch/layout.hpp"

namespace perch {

namespace detail {

/// A table's line in the manifest. Its address tells a plugin's tables apart at run time.
struct TableFacts {
  std::string_view name;
  std::string_view key_text;
  std::string_view value_text;
  std::uint64_t key_hash;
  std::uint64_t value_hash;
};

template <class Key>
consteval bool key_fields_single() {
  for (const Field& field : LayoutOf<Key>::description.fields) {
    if (field.type.kind == FieldKind::number && field.type.extent != 0) return false;
  }
  return true;
}
template <class Key>
consteval std::size_t encoded_key_bytes() {
  std::size_t bytes = 0;
  for (const Field& field : LayoutOf<Key>::description.fields) bytes += field.size;
  return bytes;
}

}  // namespace detail

/// `Name` as in the host's config: perch::Table<"trades", trades::Key, trades::Value>. An empty object of
/// this type, `trades::table`, names the table in calls: snapshot.get(trades::table, key).
template <detail::FixedText Name, class KeyRecord, class ValueRecord>
struct Table {
  using Key = KeyRecord;
  using Value = ValueRecord;
  static constexpr std::string_view name = Name.view();

  static_assert(detail::is_name(Name.view()), "perch: a table's name is [A-Za-z_][A-Za-z0-9_]{0,63}");
  static_assert(detail::key_fields_single<Key>(), "perch: a key has no arrays of numbers");
  static_assert(detail::encoded_key_bytes<Key>() <= encoded_key_bytes_max,
                "perch: the fields of a key have over 64 bytes");

  static constexpr detail::TableFacts facts{name, layout_text<Key>(), layout_text<Value>(),
                                            layout_hash<Key>(), layout_hash<Value>()};
};

/// The tables that a reader reads. Their order is their index in the binary interface.
template <class... Each>
struct Tables {
  static constexpr std::size_t count = sizeof...(Each);
  static constexpr const detail::TableFacts* facts[sizeof...(Each) + 1] = {&Each::facts..., nullptr};
};

}  // namespace perch
