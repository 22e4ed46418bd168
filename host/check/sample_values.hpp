// SampleValues: records filled at random, field by field: as a stream has them, or with more odd values than
// life has: the smallest and the largest, NaN and infinities, empty and full texts, texts of several bytes a
// character.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <string>

#include "tables/layout.hpp"

namespace perch::check {

enum class Values { ordinary, odd };

/// The same seed gives the same values on every machine. Not thread safe.
class SampleValues {
 public:
  explicit SampleValues(std::uint64_t seed, Values values = Values::odd) : random_(seed), values_(values) {}

  /// Fills the whole record, padding zeroed. Keys have no NaN.
  void fill_key(const tables::Layout& layout, std::byte* record) { fill(layout, record, false); }
  void fill_value(const tables::Layout& layout, std::byte* record) { fill(layout, record, true); }

  std::uint64_t next() { return random_(); }
  std::uint64_t below(std::uint64_t bound) { return random_() % bound; }  ///< bound > 0
  bool one_in(std::uint64_t count) { return below(count) == 0; }
  std::string bytes(std::size_t size);
  /// At most `bytes_max` bytes of valid UTF-8, without NUL.
  std::string text(std::size_t bytes_max);

 private:
  bool is_odd_next();
  void fill(const tables::Layout& layout, std::byte* record, bool nan_allowed);
  void fill_element(tables::FieldType type, std::byte* element, bool nan_allowed);
  template <class Number>
  Number integer();
  template <class Number>
  Number real(bool nan_allowed);

  std::mt19937_64 random_;
  Values values_;
  std::int64_t time_ns_ = 1'750'000'000'000'000'000;  // timestamps mostly rise, as a stream's do
};

}  // namespace perch::check
