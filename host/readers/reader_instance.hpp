// ReaderInstance: one instance of a plugin on a thread of its own, from create to destroy.
//
// The manager gives it commands; between two commands it takes a step whenever a commit was published. A
// command is carried out between callbacks, so suspending always stops at the end of a step: a commit
// boundary.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/result.hpp"
#include "readers/host_services.hpp"
#include "readers/instance_guard.hpp"
#include "readers/joinable_thread.hpp"
#include "readers/plugin_library.hpp"
#include "readers/plugin_proxy.hpp"
#include "readers/saved_state.hpp"
#include "readers/step_pins.hpp"
#include "readers/watchdog.hpp"
#include "reading/snapshot_access.hpp"

namespace perch::readers {

/// Where an instance lives: all of it outlives the instance.
struct HostParts {
  const tables::Catalog& catalog;
  tree::ReadSide& reads;
  EventHub& events;
  std::function<void()> on_fault;  ///< called on the reader's thread; must not wait
  /// Steps are taken at once, whatever wake interval the plugin asked for. Shared, because a reader that
  /// hangs for ever may look at it later than the manager ends.
  std::shared_ptr<const std::atomic<bool>> catches_up;
  std::chrono::nanoseconds checkpoint{0};  ///< how often a running instance saves its state; 0: never
  Watchdog& watchdog;
  ThreadSupply& threads;  ///< the manager thread's
};

/// Thread safety: the public methods are for the manager thread, but for stats().
///
/// Invariants
///   1. The plugin is called on thread_ alone, and never after thread_ was joined.
///   2. A command that the manager gave up waiting for has no effect beyond that: its ticket is old when the
///   thread
///      answers, and the thread goes on (suspend) or stays idle (begin).
///   3. The thread shares ownership of this object: one that hangs for ever keeps what it uses.
class ReaderInstance : public std::enable_shared_from_this<ReaderInstance> {
 public:
  using Nanoseconds = std::chrono::nanoseconds;

  ReaderInstance(const HostParts& host, std::shared_ptr<PluginLibrary> library, std::string reader,
                 std::string config);

  /// Before create: it will look for commits without sleeping.
  void spin_for_commits() noexcept { spins_ = true; }
  /// Starts the thread and makes the plugin's instance. After any failure of create or begin: request_end,
  /// wait_ended.
  Result<void> create(Nanoseconds wait);
  /// Restores `from`, where given, starts, and takes steps from then on: the first one begins at from's
  /// version, else at version 0.
  Result<void> begin(std::optional<SavedState> from, Nanoseconds wait);
  /// Saves as of the last step and stops taking steps; the version stays pinned. On failure it runs on as
  /// before.
  Result<SavedState> suspend(Nanoseconds wait);
  /// After suspend: goes on where it stopped.
  Result<void> resume(Nanoseconds wait);
  /// Stops taking steps after the callback that runs now, and saves nothing. Returns at once.
  void hold();
  /// After hold: goes on where it stopped. Returns at once.
  void let_go();
  /// Instead of begin: restores `state` and no more; only the end may follow.
  Result<void> rehearse(SavedState state, Nanoseconds wait);

  /// The state last saved for a restart (or begun from), if any. Its version stays pinned until a newer one
  /// is saved, or it is dropped and no copy of it is left.
  std::optional<SavedState> checkpoint() const;
  void drop_checkpoint();

  /// Lets a reader that sleeps until its next step is due look at catches_up.
  void notice_catch_up();

  /// Asks for stop and destroy after the callback that runs now.
  void request_end();
  /// True when the thread has ended and is joined: the library may be closed.
  bool wait_ended(Nanoseconds wait);
  /// For a hung one when the host ends: it is left alone for good, and says nothing any more.
  void abandon();

  /// Why it ended by itself: its on_commit failed, or its code crashed.
  std::optional<Error> fault() const;
  /// Its thread is parked for ever (see InstanceGuard): it never ends.
  bool is_parked() const noexcept { return guard_->is_readers_thread_parked(); }
  /// Gives up what a parked thread holds of the tree. Nobody else uses it any more: the thread is inside a
  /// function of the plugin, where the pins are at rest; has_crashed's acquire makes what it did visible.
  void release_parked();
  const std::shared_ptr<LiveStats>& stats() const noexcept { return stats_; }

 private:
  enum class Command { none, begin, rehearse, suspend, resume, hold, end };
  struct Order {
    Command command;
    std::uint64_t ticket;
  };

  Result<SavedState> call(Command command, Nanoseconds wait, const char* what);
  template <class Condition>
  bool wait_for(std::unique_lock<std::mutex>& lock, std::chrono::steady_clock::time_point deadline,
                const Condition& condition);
  void post(Command command);
  void wake();

  // On thread_:
  void run();
  void serve();
  Order next_order();
  bool answer(std::uint64_t ticket, Result<SavedState> reply);
  std::optional<SavedState> take_begin_from();
  bool do_begin(std::uint64_t ticket);
  void do_rehearse(std::uint64_t ticket);
  void do_suspend(std::uint64_t ticket);
  Result<SavedState> save();
  void save_checkpoint_when_due();
  void keep_checkpoint(SavedState state);
  bool step_or_wait(std::uint32_t signal_seen);
  void spin(std::uint32_t signal_seen) const noexcept;
  bool step();
  bool catches_up() const noexcept;
  void wait_until_due();
  void clean_up();
  void set_fault(Error error);
  void mark_ended();

  // Constant after construction.
  const std::string reader_;
  const std::string config_;
  bool spins_ = false;  // constant from create on
  tree::ReadSide& reads_;
  const std::function<void()> on_fault_;
  const std::shared_ptr<const std::atomic<bool>> catches_up_;
  ThreadSupply& threads_;
  const Nanoseconds checkpoint_every_;
  const std::shared_ptr<PluginLibrary> library_;
  const std::shared_ptr<LiveStats> stats_ = std::make_shared<LiveStats>();
  const std::shared_ptr<InstanceGuard> guard_;
  const reading::BoundTables tables_;

  // Of the reader's thread.
  HostServices services_;  // its C functions: of any thread
  StepPins pins_;
  PluginProxy proxy_;
  bool running_ = false;  // takes steps
  std::chrono::steady_clock::time_point step_due_{};
  std::chrono::steady_clock::time_point checkpoint_due_{};
  bool checkpoint_failed_ = false;  // the last one; told once in a row

  JoinableThread thread_;  // of the manager thread

  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable order_came_;
  std::condition_variable answered_;
  Command command_ = Command::none;
  std::uint64_t ticket_ = 0;           // of the last command
  std::uint64_t answered_ticket_ = 0;  // of the last answer
  Result<SavedState> reply_;
  std::optional<SavedState> begin_from_;
  std::optional<SavedState> checkpoint_;
  std::optional<Error> fault_;
  bool end_requested_ = false;
  bool ended_ = false;
};

}  // namespace perch::readers
