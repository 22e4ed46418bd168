// KeyCodec: between a key record and the tree's order-preserving 64-bit words.
//
// The fields' order-preserving bytes (integers big-endian with the sign flipped, floats in numeric order, chars as
// they are) are concatenated, zero-padded to whole words, each word read big-endian: comparing words as unsigned
// numbers, first word first, is comparing keys field by field.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "tables/layout.hpp"

namespace perch::tables {

/// Immutable after construction; any thread.
class KeyCodec {
 public:
  /// Errors: an array of numbers, more than 64 encoded bytes.
  static Result<KeyCodec> make(const Layout& key);

  std::uint32_t words() const noexcept { return words_; }
  std::uint32_t record_size() const noexcept { return record_size_; }
  std::uint32_t field_count() const noexcept { return static_cast<std::uint32_t>(fields_.size()); }

  /// False when a float is NaN. −0.0 becomes +0.0.
  bool encode(const std::byte* record, std::uint64_t* words) const noexcept;
  /// The smallest (fill 0x00) or largest (fill 0xff) words that begin with the first `fields` fields. fields ≤ field_count().
  bool encode_prefix(const std::byte* record, std::uint32_t fields, std::uint8_t fill, std::uint64_t* words) const noexcept;
  /// Fills the whole record, padding zeroed.
  void decode(const std::uint64_t* words, std::byte* record) const noexcept;

 private:
  std::vector<Field> fields_;
  std::vector<std::uint32_t> encoded_offsets_;
  std::uint32_t words_ = 0;
  std::uint32_t encoded_bytes_ = 0;
  std::uint32_t record_size_ = 0;
  bool one_word_ = false;  ///< a single 8-byte unsigned integer: the word is the value
};

}  // namespace perch::tables
