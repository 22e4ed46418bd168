// WorkerProcess: the process of a worker, from its start to its end, and the host's end of its channel.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "base/process.hpp"
#include "base/result.hpp"
#include "isolation/channel.hpp"

namespace perch::instances {

/// Thread safety: as Process and Channel.
class WorkerProcess {
 public:
  /// How it ended: in words, "its process died of SIGSEGV".
  struct End {
    bool is_clean = false;
    std::string how;
  };

  /// Runs perch-worker for `reader`. It gets its end of the channel, and the host's output and environment.
  static Result<std::unique_ptr<WorkerProcess>> start(const std::filesystem::path& program,
                                                      const std::string& reader);
  // The destructor kills and reaps it.

  isolation::Channel& channel() noexcept { return channel_; }
  pid_t pid() const noexcept { return process_.pid(); }
  bool has_ended(std::chrono::milliseconds wait = {}) const noexcept { return process_.has_ended(wait); }
  void kill() const noexcept;
  /// Its end, once it has ended or will at once; what it has started goes with it. Once.
  End reap();
  /// Of its own, without shared memory; 0 when it has ended.
  std::uint64_t memory_bytes() const;

 private:
  WorkerProcess(Process process, UniqueFd channel) noexcept;

  Process process_;
  isolation::Channel channel_;
};

}  // namespace perch::instances
