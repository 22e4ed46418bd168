// What the tree's tests share: keys, values that verify themselves, a model, a fast expectation.
#pragma once

#include <doctest/doctest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tree/cursor.hpp"
#include "tree/diff.hpp"
#include "tree/store.hpp"

namespace perch::tree::test {

/// A key of up to key_words_max words, those behind the table's key_words zero: lexicographic order is the
/// tree's.
using Key = std::array<std::uint64_t, key_words_max>;
/// A row's value is expanded from its stamp, so a model of stamps is a model of values, and cheap to copy.
using Model = std::map<Key, std::uint64_t>;

inline Key key_of(std::uint64_t word) { return Key{word}; }

/// Fails the test case with `message`. A plain branch: doctest's own macros are too slow for millions of
/// steps.
inline void expect(bool condition, const std::string& message) {
  if (!condition) [[unlikely]]
    FAIL(message);
}
inline void expect(bool condition, const char* message) {
  if (!condition) [[unlikely]]
    FAIL(std::string(message));
}

inline std::uint64_t mix(std::uint64_t x) {  // the finaliser of splitmix64 (Steele, Lea, Flood 2014)
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
  return x ^ (x >> 31);
}

/// splitmix64: small, fast, every seed is good.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() { return mix(state_ += 0x9e3779b97f4a7c15U); }
  std::uint64_t below(std::uint64_t bound) { return next() % bound; }
  bool chance(std::uint64_t percent) { return below(100) < percent; }

 private:
  std::uint64_t state_;
};

inline void fill_value(std::byte* out, std::uint32_t bytes, std::uint64_t stamp) {
  for (std::uint32_t at = 0, word = 0; at < bytes; at += 8, ++word) {
    const std::uint64_t content = word == 0 ? stamp : mix(stamp + word);
    std::memcpy(out + at, &content, bytes - at < 8 ? bytes - at : 8);
  }
}

inline bool value_is(const std::byte* value, std::uint32_t bytes, std::uint64_t stamp) {
  for (std::uint32_t at = 0, word = 0; at < bytes; at += 8, ++word) {
    const std::uint64_t content = word == 0 ? stamp : mix(stamp + word);
    if (std::memcmp(value + at, &content, bytes - at < 8 ? bytes - at : 8) != 0) return false;
  }
  return true;
}

/// Whether two stamps make different values of this size (they may not where a value is shorter than a
/// stamp).
inline bool values_differ(std::uint64_t left, std::uint64_t right, std::uint32_t bytes) {
  return std::memcmp(&left, &right, bytes < 8 ? bytes : 8) != 0;
}

inline bool is_zero(const std::byte* value, std::uint32_t bytes) {
  for (std::uint32_t at = 0; at < bytes; ++at)
    if (value[at] != std::byte{0}) return false;
  return true;
}

/// Multiplies the random tests' counts when PERCH_SOAK is set in the environment: by 20, and by 5 where
/// AddressSanitizer makes each step some times slower, so that a round takes minutes and not hours.
inline std::uint64_t soak_factor() {
#if defined(__SANITIZE_ADDRESS__)
  constexpr std::uint64_t longer = 5;
#else
  constexpr std::uint64_t longer = 20;
#endif
  return std::getenv("PERCH_SOAK") ? longer : 1;
}

/// ThreadSanitizer has nothing to find in one thread: the random tests do this much less under it.
#if defined(__SANITIZE_THREAD__)
inline constexpr std::uint64_t brevity = 11;
#elif !defined(__OPTIMIZE__)
inline constexpr std::uint64_t brevity = 5;
#else
inline constexpr std::uint64_t brevity = 1;
#endif

inline std::unique_ptr<Store> make_store(std::uint64_t arena_bytes = std::uint64_t{512} << 20,
                                         bool huge_pages = true) {
  StoreOptions options;
  options.arena_bytes = arena_bytes;
  options.huge_pages = huge_pages;
  auto store = Store::create(options);
  if (!store) FAIL(store.error().message);
  return std::move(*store);
}

/// Upserts one row of `bytes` bytes; there must be room.
inline void put(Store& store, TableIndex table, const Key& key, std::uint32_t bytes, std::uint64_t stamp) {
  expect(store.has_room(), "the arena is full");
  fill_value(store.upsert(table, key.data()).value, bytes, stamp);
}

inline std::uint64_t stamp_of(const std::byte* value, std::uint32_t bytes) {
  std::uint64_t stamp = 0;
  std::memcpy(&stamp, value, bytes < 8 ? bytes : 8);
  return stamp;
}

/// Compares a table of a snapshot with its model: row count, both scans, and a get of every key.
void expect_equal(const Snapshot& snapshot, TableIndex table, const TableShape& shape, const Model& model,
                  std::uint32_t max_rows = UINT32_MAX);

/// Whether a table of the one-word keys from 0 to `keys` - 1 has them all, each with its value: a stamp is
/// its key plus a multiple of `keys`; the key alone when `is_as_filled`.
bool rows_are_right(const Snapshot& snapshot, TableIndex table, const TableShape& shape, std::uint64_t keys,
                    bool is_as_filled = false);

/// One end of a range that holds its own key.
struct TestBound {
  enum Kind { open, inclusive, exclusive } kind = open;
  Key key{};
  Bound bound() const { return kind == open ? Bound{} : Bound{key.data(), kind == inclusive}; }
};

/// The model's rows between the bounds, in order.
std::pair<Model::const_iterator, Model::const_iterator> range_of(const Model& model, const TestBound& low,
                                                                 const TestBound& high);

/// Compares a scan between bounds with the model.
void expect_range(const Snapshot& snapshot, TableIndex table, const TableShape& shape, const Model& model,
                  const TestBound& low, const TestBound& high, bool reverse, std::uint32_t max_rows);

/// Compares the diff of two snapshots with the difference of their models.
void expect_diff(const Snapshot& previous, const Model& previous_model, const Snapshot& current,
                 const Model& current_model, TableIndex table, const TableShape& shape);

}  // namespace perch::tree::test
