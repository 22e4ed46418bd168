// BatchQueue: a bounded queue of row batches from one source to the writer.
//
// The queue's slots *are* the batches: the source fills one in place and publishes it, the writer applies it
// in place and gives it back. Nothing is copied or allocated after construction.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <vector>

#include "base/clock.hpp"
#include "rows/row_batch.hpp"

namespace perch::ingest {

/// Thread safety: free_slot and publish are for the source's thread, front and pop for the writer's, size and
/// capacity for any.
///
/// Invariants
///   1. head_ ≤ tail_ ≤ head_ + capacity. Slots [head_, tail_) belong to the writer, all others to the
///   source.
///   2. head_ is written by the writer alone, tail_ by the source alone. Both only grow (they wrap at 2^32,
///   and the
///      capacity is a power of two).
///
/// Every store of head_ and tail_ is a release of the slot's bytes to the other side, whose load acquires
/// them. They are seq_cst all the same: each is the "work" of a Doorbell, whose invariant 1 needs it, at one
/// store per batch.
class BatchQueue {
 public:
  static constexpr std::uint32_t batches = 16;
  static_assert((batches & (batches - 1)) == 0);

  explicit BatchQueue(const std::vector<rows::RecordShape>& feeds) : slots_(batches, rows::RowBatch(feeds)) {}

  static constexpr std::uint32_t capacity() noexcept { return batches; }
  std::uint32_t size() const noexcept {
    // head_ first: it never passes the tail_ loaded after it, so the difference is not negative. A third
    // thread may see more than the capacity when both moved in between, which only a display would show.
    const std::uint32_t head = head_.load(std::memory_order_seq_cst);
    return tail_.load(std::memory_order_seq_cst) - head;
  }

  /// How long the oldest batch has been on its way; 0 when there is none. For a display: the batch may go
  /// meanwhile, and another's time be told.
  std::int64_t oldest_wait_ns() const noexcept {
    const std::uint32_t head = head_.load(std::memory_order_seq_cst);
    if (head == tail_.load(std::memory_order_seq_cst)) return 0;
    // relaxed: a figure that stands for itself.
    return std::max<std::int64_t>(
        0, steady_now_ns() - began_ns_[head % batches].load(std::memory_order_relaxed));
  }

  /// The batch to fill next; nullptr when the queue is full.
  rows::RowBatch* free_slot() noexcept {
    const std::uint32_t tail = tail_.load(std::memory_order_relaxed);  // relaxed: our own word
    if (tail - head_.load(std::memory_order_seq_cst) == batches) return nullptr;
    return &slots_[tail % batches];
  }
  /// Hands the batch that free_slot returned to the writer.
  void publish() noexcept {
    const std::uint32_t slot = tail_.load(std::memory_order_relaxed) % batches;  // relaxed: our own word
    began_ns_[slot].store(slots_[slot].began_ns(), std::memory_order_relaxed);  // relaxed: see oldest_wait_ns
    tail_.store(tail_.load(std::memory_order_relaxed) + 1,
                std::memory_order_seq_cst);  // relaxed: our own word
  }

  /// The oldest batch; nullptr when there is none.
  rows::RowBatch* front() noexcept {
    const std::uint32_t head = head_.load(std::memory_order_relaxed);  // relaxed: our own word
    if (head == tail_.load(std::memory_order_seq_cst)) return nullptr;
    return &slots_[head % batches];
  }
  /// Gives the front batch back to the source.
  void pop() noexcept {
    head_.store(head_.load(std::memory_order_relaxed) + 1,
                std::memory_order_seq_cst);  // relaxed: our own word
  }

 private:
  std::vector<rows::RowBatch> slots_;
  std::array<std::atomic<std::int64_t>, batches> began_ns_{};
  alignas(64) std::atomic<std::uint32_t> head_{0};
  alignas(64) std::atomic<std::uint32_t> tail_{0};
};

}  // namespace perch::ingest
