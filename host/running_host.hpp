// RunningHost: all parts of a host, started and stopped in the order that they need.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "base/result.hpp"
#include "config/config.hpp"
#include "control/server.hpp"

namespace perch {

/// What a host has done, for its last log line.
struct HostSummary {
  std::uint64_t rows = 0;
  std::uint64_t commits = 0;
  std::uint64_t rejects = 0;
  std::size_t readers = 0;  ///< alive when the stop began
  /// A reader hangs in its own code and still uses the tree: the process must end without destroying the
  /// host.
  bool left_threads_behind = false;
};

/// Start: store, control socket, readers, ingest, control. Readers are up before the first row, and when the
/// socket answers everything is. Stop: control, ingest, readers: queued rows are committed and readers see
/// the last commit.
///
/// Thread safety: one thread, the one that called start.
class RunningHost {
 public:
  /// Errors leave nothing running. A reader that hangs as it starts is left behind after 10 s.
  static Result<std::unique_ptr<RunningHost>> start(Config config);
  ~RunningHost();  ///< stops what still runs

  /// Whether there is nothing left to do: every source has ended for good, its rows are committed, and the
  /// readers have seen them (or, after a minute in which none of them got on, never will).
  bool finished();
  /// Gives readers at most 2 s to see the last commit. Waits for callbacks that are under way.
  HostSummary stop();

 private:
  RunningHost(Config config, tables::Catalog catalog, std::unique_ptr<tree::Store> store);
  Result<void> start_parts();
  void log_started() const;
  bool readers_caught_up() const;

  const Config config_;
  tables::Catalog catalog_;
  const std::unique_ptr<tree::Store> store_;
  readers::EventHub events_;
  std::unique_ptr<readers::ReaderManager> readers_;
  std::unique_ptr<ingest::Ingest> ingest_;
  std::unique_ptr<control::Server> server_;
  bool running_ = false;

  std::uint64_t progress_ = 0;  ///< sum of the readers' versions when it last changed, and when that was
  std::chrono::steady_clock::time_point progress_at_ = std::chrono::steady_clock::now();
};

}  // namespace perch
