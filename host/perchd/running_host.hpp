// RunningHost: all parts of a host, started and stopped in the order that they need.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/joinable_thread.hpp"
#include "base/result.hpp"
#include "config/config.hpp"
#include "control/server.hpp"
#include "readers/reader_manager.hpp"
#include "readers/readers_spec.hpp"

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
  /// `read_again`: the config as its file is now, for a reload; on the reload's thread.
  static Result<std::unique_ptr<RunningHost>> start(Config config,
                                                    std::function<Result<Config>()> read_again = {});
  ~RunningHost();  ///< stops what still runs

  /// Whether there is nothing left to do: every source has ended for good, its rows are committed, and the
  /// readers have seen them (or, after a minute in which none of them got on, never will).
  bool finished();
  /// Reads the config again and takes over what it can, without stopping the rest: all of it or nothing, but
  /// for readers, whose own code may fail. `done` is called when it is over, on another thread. One at a
  /// time: a second one is refused. Any thread.
  void reload(std::function<void(Result<control::ReloadReport>)> done);
  /// Gives readers at most 2 s to see the last commit. Waits for callbacks that are under way.
  HostSummary stop();

 private:
  RunningHost(Config config, tables::Catalog catalog, std::unique_ptr<tree::Store> store);
  Result<void> start_parts();
  Result<control::ReloadReport> reload_now();
  Result<std::vector<std::string>> set_instances(const std::vector<readers::InstanceSpec>& instances);
  void log_started() const;
  bool readers_caught_up() const;

  Config config_;  // as it was taken over last; from start to stop the reload's
  std::function<Result<Config>()> read_again_;
  tables::Catalog catalog_;
  const std::unique_ptr<tree::Store> store_;
  instances::EventHub events_;
  instances::ReaderProcesses processes_;
  std::unique_ptr<readers::ReaderManager> readers_;
  std::unique_ptr<ingest::Ingest> ingest_;
  std::unique_ptr<control::Server> server_;
  bool running_ = false;

  std::mutex reload_mutex_;  // guards what follows
  JoinableThread reload_thread_;
  bool is_reloading_ = false;

  std::uint64_t progress_ = 0;  ///< sum of the readers' versions when it last changed, and when that was
  std::chrono::steady_clock::time_point progress_at_ = std::chrono::steady_clock::now();
};

}  // namespace perch
