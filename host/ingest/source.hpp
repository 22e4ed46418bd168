// Source: one input of the host, with its thread: bytes → lines → rows → batches for the writer.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "base/result.hpp"
#include "ingest/batch_queue.hpp"
#include "ingest/byte_stream.hpp"
#include "ingest/doorbell.hpp"
#include "ingest/ingest.hpp"
#include "ingest/line_splitter.hpp"
#include "ingest/log_limit.hpp"
#include "ingest/ndjson_decoder.hpp"
#include "ingest/reject_log.hpp"
#include "ingest/stop_signal.hpp"
#include "tables/catalog.hpp"

namespace perch::ingest {

/// Thread safety: open, start, join from one thread; queue and the bells as they say; the rest from any.
///
/// Invariants
///   1. A batch holds rows of one run of the stream only.
///   2. `rows_` counts a batch before it is published, and `ended_` is set after the last one was: when a
///   thread sees
///      ended() and as many rows committed as rows(), everything has been committed.
class Source {
 public:
  /// `writer_bell` is rung when a batch is published. All references outlive this.
  Source(const SourceSpec& spec, tables::TablePtr table, RejectLog& rejects, Doorbell& writer_bell,
         const StopSignal& stop);
  ~Source();

  Result<void> open();
  void start();
  void join();

  BatchQueue& queue() noexcept { return queue_; }
  const BatchQueue& queue() const noexcept { return queue_; }
  /// The writer rings it when it made room in the queue, whoever requested the stop as well.
  Doorbell& room_bell() noexcept { return room_bell_; }
  const tables::Table& table() const noexcept { return *table_; }
  const SourceSpec& spec() const noexcept { return spec_; }

  // acquire: pairs with the release in run; see invariant 2.
  bool ended() const noexcept { return ended_.load(std::memory_order_acquire); }
  // relaxed: ordered by ended() where it matters, a display elsewhere.
  std::uint64_t rows() const noexcept { return rows_.load(std::memory_order_relaxed); }
  /// All but `committed`, which the writer knows.
  SourceStatus status() const;

 private:
  void run();
  void pump();
  void read_lines();
  void take(const Line& line);
  void take_row(const Line& line);
  void reject(const Line& line, const Reject& reject);
  bool acquire_batch();
  void hand_over();
  void end_run(const std::string& error);
  void set_state(SourceState state) noexcept;
  void set_error(const std::string& error);

  // Constant after construction
  const SourceSpec spec_;
  const tables::TablePtr table_;
  RejectLog& reject_log_;
  Doorbell& writer_bell_;
  const StopSignal& stop_;

  // The source thread's own
  std::unique_ptr<ByteStream> stream_;
  LineSplitter splitter_;
  NdjsonDecoder decoder_;
  RowBatch* batch_ = nullptr;  // being filled; a free slot of queue_
  std::uint64_t run_ = 0;
  LogLimit reject_log_limit_;
  std::thread thread_;

  // Shared with the writer
  BatchQueue queue_;
  Doorbell room_bell_;

  // Shared with whoever asks for the status. Written by the source's thread alone; all relaxed, being figures
  // for a display, but for ended_ (invariant 2).
  std::atomic<SourceState> state_{SourceState::starting};
  std::atomic<std::uint64_t> rows_{0};
  std::atomic<std::uint64_t> bytes_{0};
  std::atomic<std::uint64_t> restarts_{0};
  std::array<std::atomic<std::uint64_t>, reject_reason_names.size()> rejects_{};
  std::atomic<bool> ended_{false};
  mutable std::mutex error_mutex_;  // guards last_error_; taken when something went wrong and for the status
  std::string last_error_;
};

const char* to_string(SourceType type) noexcept;

}  // namespace perch::ingest
