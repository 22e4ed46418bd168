// RowQueue: the interface of the queues of rows, and what it passes to them.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>

namespace perch::tables {

/// A new row. Each queue takes what it needs.
struct QueueEntry {
  std::uint64_t rank;      ///< where it belongs in the order of `by`; 0 without
  std::uint64_t sequence;  ///< ascending from row to row
  const std::uint64_t* key;
  const std::byte* value;  ///< its record
};

/// Which rows are due.
struct DueLimit {
  bool has_too_many_rows;  ///< the table has more rows than are kept
  std::uint64_t rank_min;  ///< rows of a lower rank are too old
};

/// How much one eviction may do.
struct EvictionBudget {
  std::uint64_t rows;           ///< due rows, stale entries of such included
  std::uint64_t swept_entries;  ///< entries that are looked at only to see whether they are stale
};

/// push takes a new row; the entry at the front, the oldest one, is valid until the next push, pop or sweep
/// and needs has_due. sweep(n, is_live) may look at up to n entries and drop those for which
/// is_live(sequence, key) is false: rows that were deleted leave stale entries.
template <class Queue>
concept RowQueue = requires(Queue queue, const Queue& constant, const QueueEntry& entry,
                            const DueLimit& limit, bool (*is_live)(std::uint64_t, const std::uint64_t*)) {
  queue.push(entry);
  { constant.size() } -> std::same_as<std::uint64_t>;
  { constant.has_due(limit) } -> std::same_as<bool>;
  { queue.front_sequence() } -> std::same_as<std::uint64_t>;
  { queue.front_key() } -> std::same_as<const std::uint64_t*>;
  queue.pop();
  queue.sweep(std::uint64_t{}, is_live);
};

}  // namespace perch::tables
