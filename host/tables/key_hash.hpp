// KeyHash: a hash of keys that their sender cannot foresee.
#pragma once

#include <array>
#include <cstdint>

#include "tree/format.hpp"

namespace perch::tables {

/// Keys come from feeds, and to a known function one can send keys that all collide: then each look-up costs
/// as much as there are keys. So this is one of a family of functions, drawn when the process starts. Without
/// its coefficients, two different keys of the same length collide with a chance of 2^-32, whatever they are:
/// multilinear hashing (D. Lemire, O. Kaser: Strongly universal string hashing is fast, 2014), each half of
/// a word times a coefficient of its own, and of the sum the upper half.
///
/// Immutable after construction; any thread.
class KeyHash {
 public:
  using Coefficients = std::array<std::uint64_t, 1 + 2 * tree::key_words_max>;

  explicit KeyHash(const Coefficients& coefficients) noexcept : coefficients_(coefficients) {}
  /// The one that the process has drawn; the same at every call.
  static const KeyHash& of_process();

  /// count ≤ tree::key_words_max. All 32 bits are equally good.
  std::uint32_t operator()(const std::uint64_t* words, std::uint32_t count) const noexcept {
    std::uint64_t sum = coefficients_[0];
    for (std::uint32_t i = 0; i < count; ++i) {
      sum += coefficients_[1 + 2 * i] * (words[i] & UINT32_MAX);
      sum += coefficients_[2 + 2 * i] * (words[i] >> 32);
    }
    return static_cast<std::uint32_t>(sum >> 32);
  }

 private:
  Coefficients coefficients_;
};

}  // namespace perch::tables
