// Instance: one running instance of a reader's plugin, on a thread of the host or in a process of its own.
#pragma once

#include <chrono>
#include <memory>
#include <optional>

#include "base/result.hpp"
#include "instances/live_stats.hpp"
#include "instances/saved_state.hpp"

namespace perch::instances {

/// Thread safety: for the manager thread, but for stats(). Every wait is bounded by what is given.
class Instance {
 public:
  using Nanoseconds = std::chrono::nanoseconds;

  virtual ~Instance() = default;

  /// Makes the plugin's instance. After any failure of create or begin: request_end, wait_ended.
  virtual Result<void> create(Nanoseconds wait) = 0;
  /// Restores `from`, where given, starts, and takes steps from then on: the first one begins at from's
  /// version, else at version 0.
  virtual Result<void> begin(std::optional<SavedState> from, Nanoseconds wait) = 0;
  /// Saves as of the last step and stops taking steps; the version stays pinned. On failure it runs on as
  /// before.
  virtual Result<SavedState> suspend(Nanoseconds wait) = 0;
  /// After suspend: goes on where it stopped.
  virtual Result<void> resume(Nanoseconds wait) = 0;
  /// Stops taking steps after the callback that runs now, and saves nothing. Returns at once.
  virtual void hold() = 0;
  /// After hold: goes on where it stopped. Returns at once.
  virtual void let_go() = 0;
  /// Instead of begin: restores `state` and no more; only the end may follow.
  virtual Result<void> rehearse(SavedState state, Nanoseconds wait) = 0;

  /// The state last saved for a restart (or begun from), if any. Its version stays pinned until a newer one
  /// is saved, or it is dropped and no copy of it is left.
  virtual std::optional<SavedState> checkpoint() const = 0;
  virtual void drop_checkpoint() = 0;

  /// The host ends: steps are taken at once from now on, whatever interval the reader asked for.
  virtual void notice_catch_up() = 0;

  /// Asks for stop and destroy after the callback that runs now.
  virtual void request_end() = 0;
  /// True when nothing of it runs any more: the library may be closed.
  virtual bool wait_ended(Nanoseconds wait) = 0;
  /// For a hung one when the host ends: it is left alone for good, and says nothing any more.
  virtual void abandon() = 0;

  /// Why it ended by itself: its on_commit failed, or its code crashed.
  virtual std::optional<Error> fault() const = 0;
  /// Its thread is parked for ever (see InstanceGuard): it never ends.
  virtual bool is_parked() const noexcept = 0;
  /// Gives up what a parked thread holds of the tree.
  virtual void release_parked() = 0;

  /// Of its own; 0: it runs in this one.
  virtual std::int64_t process() const noexcept { return 0; }
  const std::shared_ptr<LiveStats>& stats() const noexcept { return stats_; }

 protected:
  const std::shared_ptr<LiveStats> stats_ = std::make_shared<LiveStats>();
};

}  // namespace perch::instances
