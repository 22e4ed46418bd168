// Editing the keys of a node, all planes at once. `plane`: words from word w of a key to word w + 1.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace perch::tree {

/// Moves the keys from `from` on to begin at `to`, within a node.
inline void shift_keys(std::uint64_t* keys, std::uint32_t plane, std::uint32_t key_words, std::uint32_t from,
                       std::uint32_t to, std::uint32_t count) noexcept {
  for (std::uint32_t word = 0; word < key_words; ++word) {
    std::uint64_t* const words = keys + std::size_t{word} * plane;
    std::memmove(words + to, words + from, count * sizeof(std::uint64_t));
  }
}

/// Copies `count` keys between two nodes, each given by the place of its first word.
inline void move_keys(const std::uint64_t* from, std::uint64_t* to, std::uint32_t plane,
                      std::uint32_t key_words, std::uint32_t count) noexcept {
  for (std::uint32_t word = 0; word < key_words; ++word) {
    std::memcpy(to + std::size_t{word} * plane, from + std::size_t{word} * plane,
                count * sizeof(std::uint64_t));
  }
}

inline void set_key(std::uint64_t* keys, std::uint32_t plane, std::uint32_t key_words, std::uint32_t index,
                    const std::uint64_t* key) noexcept {
  for (std::uint32_t word = 0; word < key_words; ++word) keys[std::size_t{word} * plane + index] = key[word];
}

inline void get_key(const std::uint64_t* keys, std::uint32_t plane, std::uint32_t key_words,
                    std::uint32_t index, std::uint64_t* key) noexcept {
  for (std::uint32_t word = 0; word < key_words; ++word) key[word] = keys[std::size_t{word} * plane + index];
}

}  // namespace perch::tree
