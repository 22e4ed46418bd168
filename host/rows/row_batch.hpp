// RowBatch: rows, encoded and ready for the tree, in memory that is allocated once.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "base/assert.hpp"
#include "base/clock.hpp"

namespace perch::rows {

/// The size of a record for one of a source's tables.
struct RecordShape {
  std::uint32_t key_words = 1;
  std::uint32_t value_bytes = 8;

  std::uint32_t words() const noexcept { return key_words + (value_bytes + 7) / 8; }
};

/// A row of the input becomes a record in each table that it feeds, one or several: all of them or none.
///
/// Not thread safe; it belongs to the source or to the writer, as BatchQueue says.
class RowBatch {
 public:
  static constexpr std::uint32_t rows_max = 512;
  static constexpr std::uint32_t bytes_max = 256u << 10;  ///< wide rows: fewer in a batch

  /// A record as it lies in the batch.
  struct Record {
    std::uint32_t feed;
    const std::uint64_t* key;
    const std::byte* value;
  };

  /// `feeds`: the shape of each table's records.
  explicit RowBatch(std::vector<RecordShape> feeds)
      : feeds_(std::move(feeds)), capacity_(capacity_for(feeds_)), ends_(capacity_) {
    std::uint32_t row_words = 0;
    for (const RecordShape& shape : feeds_) row_words += shape.words();
    words_.resize(std::size_t{row_words} * capacity_);
    records_.resize(feeds_.size() * capacity_);
  }

  std::uint32_t capacity() const noexcept { return capacity_; }
  std::uint32_t size() const noexcept { return size_; }
  bool full() const noexcept { return size_ == capacity_; }
  /// Which run of the source the rows belong to; all of one batch belong to the same.
  std::uint64_t run() const noexcept { return run_; }

  /// The records are counted over all rows; those of row i are [record_begin(i), record_begin(i + 1)).
  std::uint32_t record_begin(std::uint32_t row) const noexcept {
    return row == 0 ? 0 : ends_[row - 1].record;
  }
  Record record(std::uint32_t index) const noexcept {
    const Place& place = records_[index];
    const std::uint64_t* key = &words_[place.word];
    return {place.feed, key, reinterpret_cast<const std::byte*>(key + feeds_[place.feed].key_words)};
  }
  /// Bytes of the run's input consumed, up to and with this row.
  std::uint64_t end(std::uint32_t row) const noexcept { return ends_[row].position; }

  /// When it was begun, by the steady clock.
  std::int64_t began_ns() const noexcept { return began_ns_; }

  void begin(std::uint64_t run) noexcept {
    size_ = record_ = word_ = 0;
    run_ = run;
    began_ns_ = steady_now_ns();
  }
  /// A record of the row that comes next, its value all zero; each feed once per row.
  struct Open {
    std::uint64_t* key;
    std::byte* value;
  };
  Open open(std::uint32_t feed) noexcept {
    PERCH_ASSERT(size_ < capacity_ && record_ < records_.size(), "a record beyond the batch");
    const RecordShape& shape = feeds_[feed];
    records_[record_++] = {word_, feed};
    std::uint64_t* key = &words_[word_];
    word_ += shape.words();
    auto* value = reinterpret_cast<std::byte*>(key + shape.key_words);
    std::memset(value, 0, shape.value_bytes);  // padding
    return {key, value};
  }
  /// The records opened since the last row are one; `end` as above.
  void close_row(std::uint64_t end) noexcept { ends_[size_++] = {end, record_}; }
  /// They are none after all.
  void abandon_row() noexcept {
    const std::uint32_t record = record_begin(size_);
    if (record_ != record) word_ = records_[record].word;
    record_ = record;
  }

 private:
  struct Place {
    std::uint32_t word;
    std::uint32_t feed;
  };
  struct RowEnd {
    std::uint64_t position;
    std::uint32_t record;
  };

  static std::uint32_t capacity_for(const std::vector<RecordShape>& feeds) noexcept {
    std::uint32_t row_bytes = 0;
    for (const RecordShape& shape : feeds) row_bytes += shape.words() * 8;
    return std::clamp(bytes_max / std::max(row_bytes, 1u), 16u, rows_max);
  }

  std::vector<RecordShape> feeds_;
  std::uint32_t capacity_;
  std::uint32_t size_ = 0;
  std::uint32_t record_ = 0;  // the next one
  std::uint32_t word_ = 0;    // where it goes
  std::uint64_t run_ = 0;
  std::int64_t began_ns_ = 0;
  std::vector<std::uint64_t> words_;  // per record: the key's words, the value padded to whole words
  std::vector<Place> records_;
  std::vector<RowEnd> ends_;  // by row
};

}  // namespace perch::rows
