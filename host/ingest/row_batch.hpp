// RowBatch: rows of one table, encoded and ready for the tree, in memory that is allocated once.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/assert.hpp"

namespace perch::ingest {

/// Not thread safe; it belongs to the source or to the writer, as BatchQueue says.
class RowBatch {
 public:
  static constexpr std::uint32_t rows_max = 512;
  static constexpr std::uint32_t bytes_max = 256u << 10;  ///< wide rows: fewer in a batch

  RowBatch(std::uint32_t key_words, std::uint32_t value_bytes)
      : key_words_(key_words),
        row_words_(key_words + (value_bytes + 7) / 8),
        capacity_(std::clamp(bytes_max / (row_words_ * 8), 16u, rows_max)),
        words_(std::size_t{row_words_} * capacity_),
        ends_(capacity_) {}

  std::uint32_t capacity() const noexcept { return capacity_; }
  std::uint32_t size() const noexcept { return size_; }
  bool full() const noexcept { return size_ == capacity_; }
  /// Which run of the source the rows belong to; all of one batch belong to the same.
  std::uint64_t run() const noexcept { return run_; }

  const std::uint64_t* key(std::uint32_t row) const noexcept {
    return &words_[std::size_t{row} * row_words_];
  }
  const std::byte* value(std::uint32_t row) const noexcept {
    return reinterpret_cast<const std::byte*>(key(row) + key_words_);
  }
  /// Bytes of the run's input consumed, up to and with this row.
  std::uint64_t end(std::uint32_t row) const noexcept { return ends_[row]; }

  void begin(std::uint64_t run) noexcept {
    size_ = 0;
    run_ = run;
  }
  /// Where the next row goes. The value's padding is zero from the start and stays so: only fields are
  /// written.
  std::uint64_t* next_key() noexcept { return &words_[std::size_t{size_} * row_words_]; }
  std::byte* next_value() noexcept { return reinterpret_cast<std::byte*>(next_key() + key_words_); }
  void append(std::uint64_t end) noexcept {
    PERCH_ASSERT(size_ < capacity_, "a row beyond the batch");
    ends_[size_++] = end;
  }

 private:
  std::uint32_t key_words_;
  std::uint32_t row_words_;
  std::uint32_t capacity_;
  std::uint32_t size_ = 0;
  std::uint64_t run_ = 0;
  std::vector<std::uint64_t> words_;  // per row: the key's words, the value padded to whole words
  std::vector<std::uint64_t> ends_;
};

}  // namespace perch::ingest
