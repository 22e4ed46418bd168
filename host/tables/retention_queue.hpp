// RetentionQueue: the order in which a table's rows go.
#pragma once

#include <cstddef>
#include <cstdint>
#include <variant>
#include <vector>

#include "tables/catalog.hpp"
#include "tables/group_queues.hpp"
#include "tables/insertion_ring.hpp"
#include "tables/key_order.hpp"
#include "tables/rank_heap.hpp"
#include "tree/store.hpp"

namespace perch::tables {

/// One per table with retention; for the writer thread alone.
///
/// Where the order is the key's (Table::retains_in_key_order), the table is its own queue: KeyOrder. Else
/// each inserted row gets the next sequence number, kept behind its record in the tree, and one entry here. A
/// row keeps both through updates. An entry whose row is gone or has another sequence is stale and means
/// nothing. With `per` there is such a queue for each group (GroupQueues); rows that go another way than by
/// retention would count among their group's until their turn comes.
///
/// Bounded work and memory: `evict_due` drops what is due, but not more than four times the rows that came in
/// since the last call, or rows_per_call: what a leap of the time makes due at once goes in several versions.
/// Only when stale entries outnumber the rows it looks at further entries too, 8 for each row that came in.
/// So the entries stay within about 2.5 times the most rows that the table ever had, and 1024.
class RetentionQueue {
 public:
  /// The table has retention. Both outlive this.
  RetentionQueue(const Table& table, tree::Store& store);

  /// After the row was written to the tree. Writes the sequence behind the record of a new row.
  void written(const std::uint64_t* key, const tree::Placed& row);
  /// Erases rows that are due, as long as there is room to; returns how many.
  std::uint64_t evict_due();
  /// The last evict_due left rows that are due, or may have: call it again, if nothing is written meanwhile.
  bool is_behind() const noexcept { return is_behind_; }

  std::uint64_t entries() const noexcept;

  static constexpr std::uint64_t rows_per_call = 100'000;

 private:
  std::uint64_t rank_of(const std::uint64_t* key, const std::byte* value) const noexcept;
  bool front_is_due(const InsertionRing& ring, std::uint64_t rows) const noexcept;
  bool front_is_due(const RankHeap& heap, std::uint64_t rows) const noexcept;
  template <class Queue>
  std::uint64_t evict_due_from(Queue& queue, std::uint64_t most);
  template <class Queue>
  std::uint64_t gather_due(Queue& queue, std::uint64_t most, std::uint64_t rows);
  std::uint64_t erase_gathered();
  std::uint64_t evict_due_from(KeyOrder& order, std::uint64_t most);
  std::uint64_t evict_due_from(GroupQueues& groups, std::uint64_t most);
  bool is_live(std::uint64_t sequence, const std::uint64_t* key) const;

  const Table& table_;
  tree::Store& store_;
  const std::uint32_t sequence_offset_;  // in the stored value
  const std::uint64_t rows_max_;
  const std::uint64_t age_ns_;       // UINT64_MAX: any
  const Field* by_value_ = nullptr;  // null: `by` is field by_key_index_ of the key, if there is a `by`
  std::uint32_t by_key_index_ = 0;

  std::variant<InsertionRing, RankHeap, KeyOrder, GroupQueues> queue_;
  std::uint64_t last_sequence_ = 0;
  std::uint64_t newest_rank_ = 0;  // of all rows written, updates too
  std::uint64_t inserted_since_eviction_ = 0;
  bool is_behind_ = false;
  /// Keys of rows that are due and no longer in the queue, the last one first to go. Not empty between calls
  /// only when there was no room to erase.
  std::vector<std::uint64_t> doomed_;
};

}  // namespace perch::tables
