// ExecStream: the standard output of a command, which is started again when it ends.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "base/child_process.hpp"
#include "base/rate_limit.hpp"
#include "ingest/backoff.hpp"
#include "ingest/byte_stream.hpp"

namespace perch::ingest {

/// The command's standard error goes to the log, line by line, with the source's name. The delay before a
/// restart is doubled each time, and begins anew after a run that delivered something and lasted
/// restart_delay_max.
class ExecStream : public ByteStream {
 public:
  /// How long a child may take to end after SIGTERM, or after it closed its output.
  static constexpr std::chrono::milliseconds grace{2000};

  /// Errors: the program is missing or may not be executed. Starts nothing yet.
  static Result<std::unique_ptr<ByteStream>> open(const SourceSpec& spec);

  explicit ExecStream(const SourceSpec& spec);
  ~ExecStream() override;
  ReadResult read(std::span<char> space) override;
  void wait(const StopSignal& stop) override;
  void give_up(const std::string& reason) override;
  std::uint64_t bytes_waiting() const override;
  SourceState idle_state() const override;

 private:
  using Clock = std::chrono::steady_clock;

  ReadResult start();
  ReadResult run_ended();
  ReadResult end_given_up();
  ReadResult schedule_restart(std::string error);
  void wait_for_end();
  void log_errors();
  void log_error_lines(bool all);

  const std::string name_;
  const std::vector<std::string> command_;
  const bool restart_;
  const std::chrono::nanoseconds restart_delay_max_;
  Backoff backoff_;
  std::optional<ChildProcess> child_;
  Clock::time_point started_{};
  Clock::time_point next_start_{};
  bool delivered_ = false;  // this run
  std::string given_up_;    // why this run is to be ended; "": it is not
  std::string error_text_;  // standard error, not yet logged
  RateLimit error_limit_;
  RateLimit left_out_limit_;  // of the message that says how many lines error_limit_ kept out of the log
};

}  // namespace perch::ingest
