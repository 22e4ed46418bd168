// Source: one input of the host, with its thread: bytes → rows → batches for the writer.
#pragma once

#include <cstdint>
#include <memory>
#include <semaphore>
#include <string>

#include "base/joinable_thread.hpp"
#include "base/result.hpp"
#include "ingest/ingest.hpp"
#include "ingest/input_loop.hpp"
#include "ingest/row_intake.hpp"
#include "ingest/stop_signal.hpp"
#include "ingest/writer_input.hpp"

namespace perch::ingest {

/// Thread safety: make, start, join and what is about sockets from one thread; the rest from any.
class Source {
 public:
  /// Its place among the positions of a commit, for as long as it lives. `rejects` and `consumer` outlive it.
  /// `socket`: of the source that this one takes the place of; may be empty. The source is open, and its
  /// thread made, which waits for start: nothing can fail from there on. Errors name the source.
  static Result<std::shared_ptr<Source>> make(const SourceSpec& spec, const tables::Catalog& catalog,
                                              std::uint32_t slot, rows::RejectLog& rejects,
                                              rows::RowConsumer& consumer, ListeningSocket socket = {});
  Source(const SourceSpec& spec, rows::Mapping mapping, std::uint32_t slot, rows::RejectLog& rejects,
         rows::RowConsumer& consumer, ListeningSocket socket);
  ~Source();  ///< joined before, if it was started

  void start();
  /// Wakes it where it waits; it ends without taking more. Rows it has taken are queued as far as there is
  /// room.
  void request_stop();
  void join();
  /// A listener at the same place.
  bool listens_like(const SourceSpec& other) const noexcept;
  Result<ListeningSocket> copy_socket() const { return loop_->copy_socket(); }

  const SourceSpec& spec() const noexcept { return spec_; }
  /// What the writer takes its rows from.
  const std::shared_ptr<WriterInput>& input() const noexcept { return input_; }
  SourceStatus status() const;

 private:
  void run();

  const SourceSpec spec_;
  StopSignal stop_;
  rows::RowFormat format_;
  const std::shared_ptr<WriterInput> input_;
  RowIntake intake_;
  std::unique_ptr<InputLoop> loop_;
  JoinableThread thread_;
  std::binary_semaphore go_{0};  // the thread's turn: to begin, or to end when it was not started
  bool is_started_ = false;      // written before go_ is released, read by the thread after it
};

const char* to_string(SourceType type) noexcept;

}  // namespace perch::ingest
