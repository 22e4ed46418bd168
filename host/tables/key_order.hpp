// KeyOrder: which rows are oldest when age is the order of the key's first field.
#pragma once

#include <algorithm>
#include <cstdint>

#include "tables/row_queue.hpp"
#include "tree/store.hpp"

namespace perch::tables {

/// The table itself is the queue: the oldest rows are its first ones, and they go as ranges. No memory, no
/// entries, nothing kept with the rows. Not thread safe.
class KeyOrder {
 public:
  /// `age`: how far the first word of a key may lie behind the largest one, UINT64_MAX: any. Outlived by
  /// the store.
  KeyOrder(tree::Store& store, tree::TableIndex table, std::uint64_t rows_max, std::uint64_t age) noexcept
      : store_(store), table_(table), rows_max_(rows_max), age_(age) {}

  /// After each write, of a new row or not.
  void written(const std::uint64_t* key, const tree::Placed&) noexcept {
    newest_ = std::max(newest_, key[0]);
  }
  /// Erases rows that are due, as long as there is room to; returns how many.
  std::uint64_t evict_due(const EvictionBudget& budget);
  /// The last evict_due may have left rows that are due.
  bool is_behind() const noexcept { return is_behind_; }
  std::uint64_t entries() const noexcept { return 0; }

 private:
  std::uint64_t erase_first(std::uint64_t rows, tree::Bound high);

  tree::Store& store_;
  const tree::TableIndex table_;
  const std::uint64_t rows_max_;
  const std::uint64_t age_;
  std::uint64_t newest_ = 0;  // first word of all keys written
  bool is_behind_ = false;
};

}  // namespace perch::tables
