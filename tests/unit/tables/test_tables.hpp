// What tests of tables share: refused specs, records as bytes and as words of a key.
#pragma once

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "tables/catalog.hpp"
#include "tables/key_codec.hpp"

namespace perch::test {

/// Why there is no catalog of these tables; "" when there is one.
inline std::string refusal(const std::vector<tables::TableSpec>& specs) {
  const auto catalog = tables::Catalog::make(specs);
  return catalog ? "" : catalog.error().message;
}

template <class Record>
const std::byte* bytes_of(const Record& record) {
  return reinterpret_cast<const std::byte*>(&record);
}

inline std::vector<std::uint64_t> words_of(const tables::KeyCodec& codec, const std::byte* record) {
  std::vector<std::uint64_t> words(codec.words());
  REQUIRE(codec.encode(record, words.data()));
  return words;
}

template <class Key>
std::vector<std::uint64_t> words_of(const tables::Table& table, const Key& key) {
  REQUIRE(sizeof key == table.key().size());
  return words_of(table.codec(), bytes_of(key));
}

}  // namespace perch::test
