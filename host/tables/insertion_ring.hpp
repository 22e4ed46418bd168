// InsertionRing: which rows are oldest when age is the order of first insertion.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "tables/row_queue.hpp"

namespace perch::tables {

/// A queue of (sequence, key words) in order of insertion. Not thread safe.
///
/// Rows that are deleted leave stale entries; `sweep` takes them out, some at each call: it moves live
/// entries down over the stale ones, so that in the midst of a pass there is a gap [swept_, unswept_) in the
/// ring.
///
/// Memory: grows by doubling, never shrinks. In steady state nothing is allocated.
///
/// Invariants (positions count up for ever; an entry lies at its position modulo the capacity)
///   1. head_ ≤ swept_ ≤ unswept_ ≤ tail_ ≤ head_ + capacity_.
///   2. The entries are those at [head_, swept_) and [unswept_, tail_), in ascending sequence.
class InsertionRing {
 public:
  explicit InsertionRing(std::uint32_t key_words) : stride_(1 + key_words) {}

  std::uint64_t size() const noexcept { return (swept_ - head_) + (tail_ - unswept_); }
  std::uint64_t capacity() const noexcept { return capacity_; }

  void push(const QueueEntry& added);
  bool has_due(const DueLimit& limit) const noexcept { return size() > 0 && limit.has_too_many_rows; }
  /// The oldest entry; size() > 0. Valid until the next push, pop or sweep.
  std::uint64_t front_sequence() noexcept { return *entry(front()); }
  const std::uint64_t* front_key() noexcept { return entry(front()) + 1; }
  void pop() noexcept;

  /// Looks at up to `entries` entries and drops those for which is_live(sequence, key) says no.
  template <class IsLive>
  void sweep(std::uint64_t entries, IsLive is_live);

 private:
  std::uint64_t* entry(std::uint64_t position) noexcept {
    return entries_.data() + (position & (capacity_ - 1)) * stride_;
  }
  std::uint64_t front() const noexcept { return head_ == swept_ ? unswept_ : head_; }
  void grow();

  const std::uint32_t stride_;
  std::vector<std::uint64_t> entries_;
  std::uint64_t capacity_ = 0;  // in entries; a power of two
  std::uint64_t head_ = 0;
  std::uint64_t swept_ = 0;
  std::uint64_t unswept_ = 0;
  std::uint64_t tail_ = 0;
};

template <class IsLive>
void InsertionRing::sweep(std::uint64_t entries, IsLive is_live) {
  for (; entries > 0 && size() > 0; --entries) {
    if (unswept_ == tail_) swept_ = unswept_ = head_;  // the last pass is over: begin anew
    const std::uint64_t* from = entry(unswept_++);
    if (is_live(from[0], from + 1)) {
      std::uint64_t* to = entry(swept_++);
      if (to != from) std::copy_n(from, stride_, to);
    }
    if (unswept_ == tail_) tail_ = unswept_ = swept_;  // the gap closes
  }
}

}  // namespace perch::tables
