// Search inside one node: how many of its keys come before a key.
#pragma once

#include <cstdint>

#include "tree/bound.hpp"
#include "tree/node.hpp"
#include "tree/read_path.hpp"

namespace perch::tree {

/// The first row whose key is not less than `key`; count() when there is none.
inline std::uint32_t lower_bound(const Node& leaf, const std::uint64_t* key) noexcept {
  return read_path().count_less(leaf.keys(), leaf.leaf_plane(), leaf.count(), key, leaf.geometry().key_words);
}

/// The first row whose key is greater than `key`; count() when there is none.
inline std::uint32_t upper_bound(const Node& leaf, const std::uint64_t* key) noexcept {
  return read_path().count_less_or_equal(leaf.keys(), leaf.leaf_plane(), leaf.count(), key,
                                         leaf.geometry().key_words);
}

/// How many rows come before a key; with the one that has it, if `or_equal`.
inline std::uint32_t rows_before(const Node& leaf, const std::uint64_t* key, bool or_equal) noexcept {
  return or_equal ? upper_bound(leaf, key) : lower_bound(leaf, key);
}

/// The child that holds `key`: child i has the keys from separator i − 1 up to, not including, separator i.
inline std::uint32_t child_of(const Node& inner, const std::uint64_t* key) noexcept {
  return read_path().count_less_or_equal(inner.keys(), inner.inner_plane(), inner.count() - 1, key,
                                         inner.geometry().key_words);
}

inline bool key_equals(const Node& leaf, std::uint32_t row, const std::uint64_t* key) noexcept {
  for (std::uint32_t word = 0; word < leaf.geometry().key_words; ++word) {
    if (leaf.keys()[std::size_t{word} * leaf.leaf_plane() + row] != key[word]) return false;
  }
  return true;
}

/// −1, 0 or 1, word by word.
inline int compare_keys(const std::uint64_t* a, std::size_t a_step, const std::uint64_t* b,
                        std::size_t b_step, std::uint32_t key_words) noexcept {
  if (key_words == 1) return static_cast<int>(*a > *b) - static_cast<int>(*a < *b);
  for (std::uint32_t word = 0; word < key_words; ++word) {
    const std::uint64_t left = a[word * a_step];
    const std::uint64_t right = b[word * b_step];
    if (left != right) return left < right ? -1 : 1;
  }
  return 0;
}

/// True when no key can lie between the bounds.
inline bool is_empty_range(Bound low, Bound high, std::uint32_t key_words) noexcept {
  if (low.key == nullptr || high.key == nullptr) return false;
  const int order = compare_keys(low.key, 1, high.key, 1, key_words);
  return order > 0 || (order == 0 && !(low.inclusive && high.inclusive));
}

}  // namespace perch::tree
