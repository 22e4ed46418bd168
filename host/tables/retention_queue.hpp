// RetentionQueue: the order in which a table's rows go.
#pragma once

#include <cstdint>
#include <variant>

#include "tables/catalog.hpp"
#include "tables/entry_order.hpp"
#include "tables/group_queues.hpp"
#include "tables/insertion_ring.hpp"
#include "tables/key_order.hpp"
#include "tables/rank_heap.hpp"
#include "tree/store.hpp"

namespace perch::tables {

/// One per table with retention; for the writer thread alone.
///
/// Where the order is the key's (Table::retains_in_key_order), the table is its own queue: KeyOrder. Else
/// each row has an entry in a queue: EntryOrder. With `per` there is such a queue for each group
/// (GroupQueues); rows that go another way than by retention would count among their group's until their turn
/// comes.
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
  bool is_behind() const noexcept;

  std::uint64_t entries() const noexcept;

  static constexpr std::uint64_t rows_per_call = 100'000;

 private:
  /// All have written, evict_due, is_behind and entries, and are visited once for each.
  using Order =
      std::variant<KeyOrder, EntryOrder<InsertionRing>, EntryOrder<RankHeap>, EntryOrder<GroupQueues>>;
  static Order order_of(const Table& table, tree::Store& store);

  Order order_;
  std::uint64_t inserted_since_eviction_ = 0;
};

}  // namespace perch::tables
