// ReaderInstance: one instance of a plugin on a thread of this process, from create to destroy.
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

#include "base/joinable_thread.hpp"
#include "base/result.hpp"
#include "containment/instance_guard.hpp"
#include "instances/host_parts.hpp"
#include "instances/host_services.hpp"
#include "instances/instance.hpp"
#include "instances/plugin_proxy.hpp"
#include "instances/saved_state.hpp"
#include "instances/step_pins.hpp"
#include "instances/watchdog.hpp"
#include "plugin/plugin_library.hpp"
#include "reading/snapshot_access.hpp"

namespace perch::instances {

/// Thread safety: the public methods are for the manager thread, but for stats().
///
/// Invariants
///   1. The plugin is called on thread_ alone, and never after thread_ was joined.
///   2. A command that the manager gave up waiting for has no effect beyond that: its ticket is old when the
///   thread
///      answers, and the thread goes on (suspend) or stays idle (begin).
///   3. The thread shares ownership of this object: one that hangs for ever keeps what it uses.
class ReaderInstance final : public Instance, public std::enable_shared_from_this<ReaderInstance> {
 public:
  ReaderInstance(const HostParts& host, std::shared_ptr<plugin::PluginLibrary> library, std::string reader,
                 std::string config);

  /// Before create: it will look for commits without sleeping.
  void spin_for_commits() noexcept { spins_ = true; }

  Result<void> create(Nanoseconds wait) override;
  Result<void> begin(std::optional<SavedState> from, Nanoseconds wait) override;
  Result<SavedState> suspend(Nanoseconds wait) override;
  Result<void> resume(Nanoseconds wait) override;
  void hold() override;
  void let_go() override;
  Result<void> rehearse(SavedState state, Nanoseconds wait) override;
  std::optional<SavedState> checkpoint() const override;
  void drop_checkpoint() override;
  void notice_catch_up() override;
  void request_end() override;
  /// True when the thread has ended and is joined.
  bool wait_ended(Nanoseconds wait) override;
  void abandon() override;
  std::optional<Error> fault() const override;
  bool is_parked() const noexcept override { return guard_->is_readers_thread_parked(); }
  /// Nobody else uses what the thread holds any more: it is inside a function of the plugin, where the pins
  /// are at rest; has_crashed's acquire makes what it did visible.
  void release_parked() override;

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
  const std::shared_ptr<plugin::PluginLibrary> library_;
  const std::shared_ptr<containment::InstanceGuard> guard_;
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

}  // namespace perch::instances
