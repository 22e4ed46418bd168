// Keys made to collide: under one hash of the family they do, under another they are spread.
#include "tables/key_hash.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <random>
#include <vector>

using perch::tables::KeyHash;

namespace key_hash_test {

using Key = std::array<std::uint64_t, 2>;

constexpr std::size_t slots = 4096;

KeyHash drawn(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  KeyHash::Coefficients coefficients;
  for (std::uint64_t& coefficient : coefficients) coefficient = random();
  return KeyHash(coefficients);
}

/// How many of the keys share the slot that most share.
std::size_t longest_chain(const std::vector<Key>& keys, const KeyHash& hash) {
  std::vector<std::size_t> chains(slots);
  for (const Key& key : keys) ++chains[hash(key.data(), key.size()) % slots];
  return *std::max_element(chains.begin(), chains.end());
}

TEST_CASE("keys that all collide under one seed do not under another") {
  const KeyHash known = drawn(1);
  std::vector<Key> keys;
  for (Key key{}; keys.size() < 1000; ++key[0]) {
    key[1] = key[0] * key[0];
    if (known(key.data(), key.size()) % slots == 0) keys.push_back(key);
  }
  CHECK(longest_chain(keys, known) == keys.size());
  for (std::uint64_t seed = 2; seed < 10; ++seed) CHECK(longest_chain(keys, drawn(seed)) < 16);
}

TEST_CASE("keys that all collide under a function without a seed are spread by the process's own") {
  const auto step = [](std::uint64_t hash, std::uint64_t word) {
    hash = (hash ^ word) * 0x9E3779B97F4A7C15u;
    return hash ^ hash >> 32;
  };
  // The second word undoes what the first one did: to the known function all these are one key.
  std::vector<Key> keys;
  for (std::uint64_t first = 0; keys.size() < slots; ++first) keys.push_back({first, step(0, first)});
  for (const Key& key : keys) REQUIRE(step(step(0, key[0]), key[1]) == 0);
  CHECK(longest_chain(keys, KeyHash::of_process()) < 64);
}

TEST_CASE("every bit of a key counts, in words up to the last") {
  const KeyHash& hash = KeyHash::of_process();
  std::array<std::uint64_t, perch::tree::key_words_max> key{};
  const std::uint32_t before = hash(key.data(), key.size());
  int equal = 0;
  for (std::uint64_t& word : key) {
    for (int bit = 0; bit < 64; ++bit) {
      word ^= std::uint64_t{1} << bit;
      equal += hash(key.data(), key.size()) == before ? 1 : 0;
      word ^= std::uint64_t{1} << bit;
    }
  }
  CHECK(equal < 4);  // each with a chance of 2^-32
}

}  // namespace key_hash_test
