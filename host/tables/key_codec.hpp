// KeyCodec: between a key record and the tree's order-preserving 64-bit words.
//
// The fields' order-preserving bytes (integers big-endian with the sign flipped, floats in numeric order,
// chars as they are) are concatenated, zero-padded to whole words, each word read big-endian: comparing words
// as unsigned numbers, first word first, is comparing keys field by field.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
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
  bool encode(const std::byte* record, std::uint64_t* words) const noexcept {
    if (!whole_words_) return encode_steps(record, field_count(), 0x00, words);
    for (std::uint32_t i = 0; i < words_; ++i) {
      std::uint64_t value;
      std::memcpy(&value, record + 8 * i, sizeof value);
      words[i] = turned(steps_[i], value);
    }
    return true;
  }
  /// The smallest (fill 0x00) or largest (fill 0xff) words that begin with the first `fields` fields: every
  /// key that begins so lies between the two. fields ≤ field_count(). False when one of those fields is NaN.
  bool encode_prefix(const std::byte* record, std::uint32_t fields, std::uint8_t fill,
                     std::uint64_t* words) const noexcept;
  /// Fills the whole record, padding zeroed.
  void decode(const std::uint64_t* words, std::byte* record) const noexcept {
    if (!whole_words_) return decode_steps(words, record);
    for (std::uint32_t i = 0; i < words_; ++i) {
      const std::uint64_t value = turned(steps_[i], words[i]);
      std::memcpy(record + 8 * i, &value, sizeof value);
    }
  }

  /// A number field's part of the words, as an unsigned integer with the order of the field's values.
  std::uint64_t ordered_bits(const std::uint64_t* words, std::uint32_t field) const noexcept;

 private:
  enum class StepKind : std::uint8_t {
    bytes1,  ///< chars, as they are; also integers of one byte, their sign flipped
    bytes2,
    bytes4,
    bytes8,
    boolean,  ///< any byte but 0 becomes 1
    integer2,
    integer4,
    integer8,
    float4,
    float8
  };
  /// One load, one store: a char[56] is seven of them.
  struct Step {
    StepKind kind;
    std::uint8_t encoded_offset;
    std::uint16_t record_offset;
    std::uint64_t flip;  ///< the sign bit of a signed integer
  };
  /// Where a field's bytes end, and its steps.
  struct FieldEnd {
    std::uint32_t encoded_end;
    std::uint32_t steps_end;
  };

  /// A whole word of the record as the tree's word, or the other way round: it is the same way.
  static std::uint64_t turned(const Step& step, std::uint64_t word) noexcept {
    return step.kind == StepKind::bytes8 ? __builtin_bswap64(word) : word ^ step.flip;
  }
  template <class Use>
  static auto with_step(StepKind kind, Use use);
  void add_steps(const Field& field);
  bool encode_steps(const std::byte* record, std::uint32_t fields, std::uint8_t fill,
                    std::uint64_t* words) const noexcept;
  void decode_steps(const std::uint64_t* words, std::byte* record) const noexcept;

  std::vector<Step> steps_;
  std::vector<FieldEnd> fields_;
  std::uint32_t words_ = 0;
  std::uint32_t record_size_ = 0;
  /// Fields of 64-bit integers, timestamps and chars by the eight only, which most keys are: step i is word
  /// i, and lies 8 × i bytes into the record.
  bool whole_words_ = false;
};

}  // namespace perch::tables
