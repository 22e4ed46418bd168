// Search inside one node: how many of its keys come before a key.
#pragma once

#include <cstdint>

#include "tree/node.hpp"

namespace perch::tree {

/// How many of the sorted words [0, count) are less than `word` (or equal, too). Branchless binary search:
/// the comparison becomes a conditional move, so there is nothing to mispredict.
template <bool or_equal>
inline std::uint32_t rank_of_word(const std::uint64_t* words, std::uint32_t count,
                                  std::uint64_t word) noexcept {
  const auto before = [word](std::uint64_t other) { return or_equal ? other <= word : other < word; };
  const std::uint64_t* base = words;
  while (count > 1) {
    const std::uint32_t half = count / 2;
    base += before(base[half - 1]) ? half : 0;
    count -= half;
  }
  return static_cast<std::uint32_t>(base - words) + (count == 1 && before(*base) ? 1 : 0);
}

/// The same for keys of several words in planes: each plane narrows the keys that are equal so far.
template <bool or_equal>
inline std::uint32_t rank_of_key(const std::uint64_t* planes, std::uint32_t plane, std::uint32_t count,
                                 const std::uint64_t* key, std::uint32_t key_words) noexcept {
  if (key_words == 1) return rank_of_word<or_equal>(planes, count, key[0]);
  std::uint32_t low = 0;
  std::uint32_t high = count;
  for (std::uint32_t word = 0; word < key_words; ++word) {
    const std::uint64_t* words = planes + std::size_t{word} * plane + low;
    const std::uint32_t less = rank_of_word<false>(words, high - low, key[word]);
    const std::uint32_t less_or_equal = less + rank_of_word<true>(words + less, high - low - less, key[word]);
    high = low + less_or_equal;
    low += less;
    if (low == high) return low;
  }
  return or_equal ? high : low;
}

/// The first row whose key is not less than `key`; count() when there is none.
inline std::uint32_t lower_bound(const Node& leaf, const std::uint64_t* key) noexcept {
  return rank_of_key<false>(leaf.keys(), leaf.leaf_plane(), leaf.count(), key, leaf.geometry().key_words);
}

/// The first row whose key is greater than `key`; count() when there is none.
inline std::uint32_t upper_bound(const Node& leaf, const std::uint64_t* key) noexcept {
  return rank_of_key<true>(leaf.keys(), leaf.leaf_plane(), leaf.count(), key, leaf.geometry().key_words);
}

/// The child that holds `key`: child i has the keys from separator i − 1 up to, not including, separator i.
inline std::uint32_t child_of(const Node& inner, const std::uint64_t* key) noexcept {
  return rank_of_key<true>(inner.keys(), inner.inner_plane(), inner.count() - 1, key,
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
  for (std::uint32_t word = 0; word < key_words; ++word) {
    const std::uint64_t left = a[word * a_step];
    const std::uint64_t right = b[word * b_step];
    if (left != right) return left < right ? -1 : 1;
  }
  return 0;
}

}  // namespace perch::tree
