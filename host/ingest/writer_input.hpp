// WriterInput: one input of the writer: the queue of its batches, and what both sides count.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/duration_histogram.hpp"
#include "ingest/batch_queue.hpp"
#include "ingest/doorbell.hpp"
#include "tree/format.hpp"

namespace perch::ingest {

/// Made by whoever has rows for the writer, which knows nothing else of it.
///
/// Thread safety: [owner] for the thread that fills the queue, [writer] for the holder of the writer's role,
/// the rest any. The queue, the bell and the histogram as they say.
///
/// Invariants
///   1. rows() counts a batch before it is queued, so that who sees its rows committed sees them counted.
///   2. end() comes after the last batch was queued. When a thread sees ended() and then as many rows
///   committed as
///      rows(), everything has been committed.
class WriterInput {
 public:
  /// A table that its rows go to.
  struct Feed {
    tree::TableIndex table;
    rows::RecordShape shape;
  };

  /// `name`: for messages. `slot`: its place among the positions of a commit, for as long as the writer takes
  /// from it.
  WriterInput(std::string name, std::uint32_t slot, std::vector<Feed> feeds)
      : name_(std::move(name)), slot_(slot), feeds_(std::move(feeds)), queue_(shapes_of(feeds_)) {}

  const std::string& name() const noexcept { return name_; }
  std::uint32_t slot() const noexcept { return slot_; }
  /// A record of a batch names its feed by the place here.
  const std::vector<Feed>& feeds() const noexcept { return feeds_; }

  BatchQueue& queue() noexcept { return queue_; }
  const BatchQueue& queue() const noexcept { return queue_; }
  /// Where the owner sleeps while the queue is full; the writer rings.
  Doorbell& room_bell() noexcept { return room_bell_; }
  /// From the begin of a batch to its commit; the writer records.
  DurationHistogram& latency() noexcept { return latency_; }
  const DurationHistogram& latency() const noexcept { return latency_; }

  /// [owner] Queues the batch that the queue's free_slot returned.
  void queue_batch(std::uint32_t rows) noexcept {
    rows_.store(this->rows() + rows, std::memory_order_relaxed);  // before publish: invariant 1
    queue_.publish();
  }
  /// [owner] There will be no more batches.
  void end() noexcept { ended_.store(true, std::memory_order_release); }  // invariant 2
  /// [writer] The position that a commit has.
  void set_committed(const tree::SourcePosition& position) noexcept {
    committed_bytes_.store(position.bytes, std::memory_order_relaxed);
    committed_restarts_.store(position.restarts, std::memory_order_relaxed);
    // release, and last: who sees these rows as committed sees the version that has them, and the figures
    // above.
    committed_rows_.store(position.rows, std::memory_order_release);
  }

  /// Queued, ever. relaxed: publish orders it.
  std::uint64_t rows() const noexcept { return rows_.load(std::memory_order_relaxed); }
  bool ended() const noexcept { return ended_.load(std::memory_order_acquire); }  // pairs with end()
  /// As of the last commit.
  tree::SourcePosition committed() const noexcept {
    tree::SourcePosition position;
    position.rows = committed_rows_.load(std::memory_order_acquire);  // pairs with set_committed
    position.bytes = committed_bytes_.load(std::memory_order_relaxed);
    position.restarts = committed_restarts_.load(std::memory_order_relaxed);
    return position;
  }
  /// It has ended, and all its rows are committed.
  bool is_finished() const noexcept { return ended() && committed().rows == rows(); }  // in this order

 private:
  static std::vector<rows::RecordShape> shapes_of(const std::vector<Feed>& feeds) {
    std::vector<rows::RecordShape> shapes;
    for (const Feed& feed : feeds) shapes.push_back(feed.shape);
    return shapes;
  }

  const std::string name_;
  const std::uint32_t slot_;
  const std::vector<Feed> feeds_;
  BatchQueue queue_;
  Doorbell room_bell_;
  DurationHistogram latency_;

  // The owner writes.
  std::atomic<std::uint64_t> rows_{0};
  std::atomic<bool> ended_{false};
  // The writer writes.
  std::atomic<std::uint64_t> committed_bytes_{0};
  std::atomic<std::uint64_t> committed_rows_{0};
  std::atomic<std::uint64_t> committed_restarts_{0};
};

}  // namespace perch::ingest
