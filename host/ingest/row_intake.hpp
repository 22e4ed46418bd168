// RowIntake: from a source's decoders to the writer's queue, with all that is counted on the way.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "base/rate_limit.hpp"
#include "ingest/byte_stream.hpp"
#include "ingest/ingest.hpp"
#include "ingest/stop_signal.hpp"
#include "ingest/writer_input.hpp"
#include "rows/reject_log.hpp"
#include "rows/row_consumer.hpp"
#include "rows/row_format.hpp"

namespace perch::ingest {

/// What the loops that read know of a stream beside its decoder: how far its rows are taken.
struct StreamPosition {
  std::uint64_t end = 0;
};

/// Thread safety: fill() from any thread; the rest for the source's thread.
///
/// Invariant: a batch holds rows of one run of the stream only.
class RowIntake {
 public:
  /// All references outlive this.
  RowIntake(WriterInput& input, rows::RowFormat& format, rows::RejectLog& rejects,
            rows::RowConsumer& consumer, const StopSignal& stop);

  std::unique_ptr<rows::RowDecoder> make_decoder() { return format_.make_decoder(); }
  const StopSignal& stop() const noexcept { return stop_; }

  /// So many bytes were read, now.
  void bytes_read(std::size_t bytes);
  /// Takes all rows that the decoder has. False: the stream is broken, for the reason that error() has then.
  bool take(rows::RowDecoder& decoder, StreamPosition& position);
  /// The stream is over: takes what is left of it. Its decoder can begin another one.
  void finish(rows::RowDecoder& decoder, StreamPosition& position);
  /// Another run of the input begins: positions count from 0.
  void begin_run();
  /// Queues the rows taken so far; the stream has no more for now.
  void flush();
  /// Queues them; it may have more.
  void hand_over();

  void set_state(SourceState state) noexcept;
  SourceState state() const noexcept { return state_.load(std::memory_order_relaxed); }
  void set_error(const std::string& error);
  void set_lag_bytes(std::uint64_t bytes) noexcept;
  void set_connections(std::uint32_t connections) noexcept;
  void connection_refused() noexcept;
  const std::string& broken_reason() const noexcept { return broken_reason_; }

  std::uint64_t rows() const noexcept { return input_.rows(); }
  /// All counters; what it is called and where it goes is for the source to add.
  void fill(SourceStatus& status) const;

 private:
  bool acquire_batch();
  bool publish();
  void count(rows::Step step, rows::RowDecoder& decoder);
  void reject(const rows::RowDecoder& decoder);

  WriterInput& input_;
  rows::RowFormat& format_;
  rows::RejectLog& reject_log_;
  rows::RowConsumer& consumer_;
  const StopSignal& stop_;

  // The source thread's own
  rows::RowBatch* batch_ = nullptr;  // being filled; a free slot of the queue
  std::uint64_t run_ = 0;
  std::uint64_t consumed_ = 0;  // of the run, all streams
  RateLimit reject_log_limit_;
  std::string broken_reason_;

  // Shared with whoever asks for the status. Written by the source's thread alone; all relaxed, being figures
  // for a display.
  std::atomic<SourceState> state_{SourceState::starting};
  std::atomic<std::uint64_t> bytes_{0};
  std::atomic<std::uint64_t> skipped_{0};
  std::atomic<std::uint64_t> restarts_{0};
  std::atomic<std::uint64_t> lag_bytes_{0};
  std::atomic<std::uint32_t> connections_{0};
  std::atomic<std::uint64_t> connections_refused_{0};
  std::atomic<std::uint64_t> rejects_not_logged_{0};
  std::array<std::atomic<std::uint64_t>, rows::reject_reason_names.size()> rejects_{};
  mutable std::mutex error_mutex_;  // guards last_error_; taken when something went wrong and for the status
  std::string last_error_;
};

}  // namespace perch::ingest
