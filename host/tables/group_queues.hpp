// GroupQueues: which rows are oldest when so many are kept of each group.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <variant>
#include <vector>

#include "tables/insertion_ring.hpp"
#include "tables/rank_heap.hpp"
#include "tables/row_queue.hpp"
#include "tree/format.hpp"

namespace perch::tables {

class Table;

/// One queue per group, of the kind that the order asks for. Not thread safe.
///
/// Memory: that of the rows' entries, and some 200 bytes per group that was ever seen: it keeps its last rows
/// for ever, as retention per group promises.
class GroupQueues {
 public:
  using Queue = std::variant<InsertionRing, RankHeap>;

  /// The table retains so many rows `per` something. It outlives this.
  GroupQueues(const Table& table, std::uint64_t rows_max);

  std::uint64_t size() const noexcept { return entries_; }

  void push(const QueueEntry& added);
  /// Whether some group has more entries than rows to keep; how many the table has does not matter.
  bool has_due(const DueLimit&) const noexcept { return !due_.empty(); }
  /// The oldest entry of such a group.
  std::uint64_t front_sequence();
  const std::uint64_t* front_key();
  void pop();
  /// There is nothing to sweep: a group never keeps more entries than rows, stale ones included.
  template <class IsLive>
  void sweep(std::uint64_t, IsLive) const noexcept {}

 private:
  using GroupKey = std::array<std::uint64_t, tree::key_words_max>;
  struct HashKey {
    std::size_t operator()(const GroupKey& key) const noexcept;
  };
  /// A piece of the group's name: where it lies in the key record or the value record.
  struct Part {
    bool in_key;
    std::uint32_t offset;
    std::uint32_t size;
  };

  GroupKey group_of(const std::uint64_t* key, const std::byte* value);
  Queue make_queue() const;

  const Table& table_;
  const std::uint64_t rows_max_;
  std::vector<Part> parts_;
  std::vector<std::byte> key_record_;
  std::unordered_map<GroupKey, Queue, HashKey> groups_;
  std::vector<Queue*> due_;  // stable: a map's elements do not move
  std::uint64_t entries_ = 0;
};

}  // namespace perch::tables
