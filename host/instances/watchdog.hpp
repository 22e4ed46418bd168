// Watchdog: says what readers do for too long, on a thread of its own: the manager's may be waiting for one
// of them.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/joinable_thread.hpp"
#include "base/result.hpp"
#include "instances/event_hub.hpp"
#include "instances/live_stats.hpp"
#include "instances/pinned_versions.hpp"

namespace perch::instances {

struct WatchdogSpec {
  std::chrono::nanoseconds callback_deadline;
  std::uint64_t retain_warning_bytes;
};

/// Reports, in the log and as events: a callback over its deadline with the stack of its thread, again at
/// each doubling of its time, and when it has ended ("reader.slow", "reader.slow_ended"); a reader that holds
/// a version longer than that with much memory hanging on it ("reader.retains"); signal handlers that
/// somebody took from the host, which it takes back.
///
/// Thread safety: watch from any thread; start and stop once each.
class Watchdog {
 public:
  /// `pins` and `retained`: who holds which version, and what hangs on it; both thread safe, and they outlive
  /// this. `retained` may be empty: then nothing is said of versions. `enforce`: does what must be done about
  /// those that hold too much.
  Watchdog(WatchdogSpec spec, EventHub& events, std::function<std::vector<PinHolder>()> pins,
           std::function<std::vector<tree::RetainedVersion>()> retained,
           std::function<void(const std::vector<PinnedVersion>&)> enforce = {});
  ~Watchdog();

  Result<void> start();
  void stop();
  /// An instance, for as long as anybody else keeps its stats.
  void watch(const std::string& reader, std::uint64_t generation, const std::shared_ptr<LiveStats>& stats);

 private:
  struct Watched {
    std::string reader;
    std::uint64_t generation;
    std::weak_ptr<LiveStats> stats;
    std::int64_t reported_began_ns = 0;  // the callback that was reported; 0: none
    std::string reported_name;
    std::chrono::nanoseconds report_again{0};  // when it has taken so long
    std::chrono::nanoseconds lasted{0};        // as of the last look
  };
  struct Retaining {
    std::string reader;
    std::uint64_t generation;
    tree::Version version;
  };

  void run();
  void look_at_callbacks();
  void look_at(Watched& watched, const LiveStats& stats);
  void report_end(Watched& watched);
  void look_at_versions();
  void look_at_signals();
  void publish(const char* kind, const std::string& reader, std::uint64_t generation, std::string json);

  const WatchdogSpec spec_;
  EventHub& events_;
  const std::function<std::vector<PinHolder>()> pins_;
  const std::function<std::vector<tree::RetainedVersion>()> retained_;
  const std::function<void(const std::vector<PinnedVersion>&)> enforce_;
  JoinableThread thread_;

  std::vector<Retaining> retaining_;  // reported, and still so; the watchdog's thread

  std::mutex mutex_;  // guards what follows
  std::condition_variable stopped_;
  bool stopping_ = false;
  std::vector<Watched> watched_;
};

}  // namespace perch::instances
