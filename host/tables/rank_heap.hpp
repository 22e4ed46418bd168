// RankHeap: which rows are oldest when age is the order of a field.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "tables/row_queue.hpp"

namespace perch::tables {

/// A binary min-heap of (rank, sequence, key words), ordered by rank, then sequence. Not thread safe.
///
/// Rows that are deleted leave stale entries; `sweep` takes them out, some at each call. Removing one moves
/// others, so that a pass may miss a few: it goes round and round as long as it is called.
///
/// Memory: grows by doubling, never shrinks. In steady state nothing is allocated. Rows that arrive in the
/// order of the field cost one comparison to push.
class RankHeap {
 public:
  explicit RankHeap(std::uint32_t key_words) : stride_(2 + key_words) {}

  std::uint64_t size() const noexcept { return entries_.size() / stride_; }

  void push(const QueueEntry& added);
  bool has_due(const DueLimit& limit) const noexcept {
    return size() > 0 && (limit.has_too_many_rows || front_rank() < limit.rank_min);
  }
  /// The oldest entry; size() > 0. Valid until the next push, pop or sweep.
  std::uint64_t front_rank() const noexcept { return entries_[0]; }
  std::uint64_t front_sequence() const noexcept { return entries_[1]; }
  const std::uint64_t* front_key() const noexcept { return entries_.data() + 2; }
  void pop() noexcept { remove(0); }

  /// Looks at up to `entries` entries and drops those for which is_live(sequence, key) says no.
  template <class IsLive>
  void sweep(std::uint64_t entries, IsLive is_live) {
    for (; entries > 0 && size() > 0; --entries) {
      if (next_swept_ >= size()) next_swept_ = 0;
      const std::uint64_t* candidate = entry(next_swept_);
      if (is_live(candidate[1], candidate + 2)) {
        ++next_swept_;
      } else {
        remove(next_swept_);
      }
    }
  }

 private:
  std::uint64_t* entry(std::uint64_t index) noexcept { return entries_.data() + index * stride_; }
  bool before(std::uint64_t a, std::uint64_t b) noexcept {
    const std::uint64_t* x = entry(a);
    const std::uint64_t* y = entry(b);
    return x[0] != y[0] ? x[0] < y[0] : x[1] < y[1];
  }
  void swap_entries(std::uint64_t a, std::uint64_t b) noexcept {
    std::swap_ranges(entry(a), entry(a) + stride_, entry(b));
  }
  void sift_up(std::uint64_t index) noexcept;
  void sift_down(std::uint64_t index) noexcept;
  void remove(std::uint64_t index) noexcept;

  const std::uint32_t stride_;
  std::vector<std::uint64_t> entries_;
  std::uint64_t next_swept_ = 0;
};

}  // namespace perch::tables
