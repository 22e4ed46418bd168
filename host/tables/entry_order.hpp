// EntryOrder: which rows are oldest when each row has an entry in a queue.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "tables/catalog.hpp"
#include "tables/row_queue.hpp"
#include "tree/store.hpp"

namespace perch::tables {

/// Where a row belongs in the order of `retain.by`, as an unsigned number. The table outlives it.
class RowRank {
 public:
  explicit RowRank(const Table& table);
  /// 0 without `by`.
  std::uint64_t operator()(const std::uint64_t* key, const std::byte* value) const noexcept;

 private:
  const KeyCodec& codec_;
  const Field* by_value_ = nullptr;  // of the value
  const Field* by_key_ = nullptr;    // of the key
  std::uint32_t key_index_ = 0;
};

/// Each inserted row gets the next sequence number, kept behind its record in the tree, and one entry in the
/// queue. A row keeps both through updates. An entry whose row is gone or has another sequence is stale and
/// means nothing. Not thread safe.
template <RowQueue Queue>
class EntryOrder {
 public:
  /// The table has retention. Table and store outlive this.
  EntryOrder(const Table& table, tree::Store& store, Queue queue);

  /// After each write. Writes the sequence behind the record of a new row.
  void written(const std::uint64_t* key, const tree::Placed& row);
  /// Erases rows that are due, as long as there is room to; returns how many.
  std::uint64_t evict_due(const EvictionBudget& budget);
  /// The last evict_due left rows that are due.
  bool is_behind() const noexcept { return is_behind_; }
  std::uint64_t entries() const noexcept { return queue_.size(); }

 private:
  bool is_live(std::uint64_t sequence, const std::uint64_t* key) const;
  bool has_due(std::uint64_t rows) const noexcept;
  std::uint64_t gather_due(std::uint64_t most, std::uint64_t rows);
  std::uint64_t erase_gathered();

  const Table& table_;
  tree::Store& store_;
  const std::uint32_t sequence_offset_;  // in the stored value
  const std::uint64_t rows_max_;
  const std::uint64_t age_ns_;  // UINT64_MAX: any
  const RowRank rank_;

  Queue queue_;
  std::uint64_t last_sequence_ = 0;
  std::uint64_t newest_rank_ = 0;  // of all rows written, updates too
  bool is_behind_ = false;
  /// Keys of rows that are due and no longer in the queue, the last one first to go. Not empty between calls
  /// only when there was no room to erase.
  std::vector<std::uint64_t> doomed_;
};

}  // namespace perch::tables
