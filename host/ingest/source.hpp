// Source: one input of the host, with its thread: bytes → rows → batches for the writer.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>

#include "base/result.hpp"
#include "ingest/ingest.hpp"
#include "ingest/input_loop.hpp"
#include "ingest/row_intake.hpp"
#include "ingest/stop_signal.hpp"

namespace perch::ingest {

/// Thread safety: make, start, join and what is about sockets from one thread; the intake's queue as it says;
/// the rest from any.
///
/// Invariant: `ended_` is set after the last batch was published. When a thread sees ended() and then as many
/// rows committed as rows(), everything has been committed.
class Source {
 public:
  /// Its place among the positions of a commit, for as long as it lives. `rejects` and `consumer` outlive it.
  /// `socket`: of the source that this one takes the place of; may be empty. Errors name the source.
  static Result<std::shared_ptr<Source>> make(const SourceSpec& spec, const tables::Catalog& catalog,
                                              std::uint32_t slot, rows::RejectLog& rejects,
                                              rows::RowConsumer& consumer, ListeningSocket socket = {});
  Source(const SourceSpec& spec, rows::Mapping mapping, std::uint32_t slot, rows::RejectLog& rejects,
         rows::RowConsumer& consumer, ListeningSocket socket);
  ~Source();

  void start();
  /// Wakes it where it waits; it ends without taking more. Rows it has taken are queued as far as there is
  /// room.
  void request_stop();
  void join();
  /// A listener at the same place.
  bool listens_like(const SourceSpec& other) const noexcept;
  Result<ListeningSocket> copy_socket() const { return loop_->copy_socket(); }

  const SourceSpec& spec() const noexcept { return spec_; }
  std::uint32_t slot() const noexcept { return slot_; }
  RowIntake& intake() noexcept { return intake_; }
  const RowIntake& intake() const noexcept { return intake_; }
  const rows::Mapping& mapping() const noexcept { return format_.mapping(); }

  // acquire: pairs with the release in run; see the invariant.
  bool ended() const noexcept { return ended_.load(std::memory_order_acquire); }
  std::uint64_t rows() const noexcept { return intake_.rows(); }
  /// All but `committed`, which the writer knows.
  SourceStatus status() const;

 private:
  void run();

  const SourceSpec spec_;
  const std::uint32_t slot_;
  StopSignal stop_;
  rows::RowFormat format_;
  RowIntake intake_;
  std::unique_ptr<InputLoop> loop_;
  std::thread thread_;
  std::atomic<bool> ended_{false};
};

const char* to_string(SourceType type) noexcept;

}  // namespace perch::ingest
