// WorkerInstance: an instance in a process of its own, as the host sees it. The process runs perch-worker,
// which loads the plugin's private copy and runs it as the host would (ReaderInstance); here are its orders
// and what it says.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/joinable_thread.hpp"
#include "base/rate_limit.hpp"
#include "base/unique_fd.hpp"
#include "instances/host_parts.hpp"
#include "instances/instance.hpp"
#include "instances/reader_processes.hpp"
#include "instances/worker_messages.hpp"
#include "instances/worker_process.hpp"
#include "instances/worker_spec.hpp"
#include "isolation/sandbox.hpp"
#include "plugin/plugin_library.hpp"

namespace perch::instances {

/// Thread safety: as Instance says. A thread of its own listens to the process.
///
/// Invariants
///   1. What the process says is believed of nothing but itself: a state, and a version, are handed on only
///   when
///      the process has that version pinned.
///   2. A process that hangs, or says nothing, for longer than the deadline is killed; so is one that is
///   asked to
///      end and does not.
///   3. Once ended_ is set the process is gone and reaped, and its pins are given up.
class WorkerInstance final : public Instance {
 public:
  struct Spec {
    std::string reader;
    std::string config;
    bool spin = false;
    bool is_trial = false;  ///< what it publishes and logs goes nowhere
  };

  WorkerInstance(const HostParts& host, const WorkersSpec& workers,
                 std::shared_ptr<plugin::PluginLibrary> library, Spec spec, Nanoseconds callback_deadline);
  ~WorkerInstance() override;

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
  bool wait_ended(Nanoseconds wait) override;
  void abandon() override;
  std::optional<Error> fault() const override;
  bool is_parked() const noexcept override { return false; }
  void release_parked() override {}

  std::int64_t process() const noexcept override { return process_ ? process_->pid() : 0; }
  /// What its end left behind in the process, in words; "": nothing. Once ended.
  std::string left_behind() const;

 private:
  Result<void> spawn();
  orders::Create create_order();
  Result<says::Answer> call(AnyOrder what, Nanoseconds wait, const char* doing);
  void post(AnyOrder what);
  Result<GivenState> give(const SavedState& state);
  Result<SavedState> state_from(const SaidState& said);

  // On listener_:
  void listen();
  void hear(isolation::Message message);
  void heard(says::Answer said);
  void heard(says::Stats said);
  void heard(says::Happened said);
  void heard(says::Sandboxed said);
  void heard(says::LogLine said);
  void heard(says::Checkpoint said);
  void heard(says::Fault said);
  void heard(says::Ended said);
  void answer_attempts();
  void look_for_silence(std::chrono::steady_clock::time_point heard);
  void look_at_memory();
  void tell_breach(const std::string& what);
  void kill(const std::string& why);
  void reap();
  void end(const WorkerProcess::End& end);

  const Spec spec_;
  const WorkersSpec workers_;
  const std::shared_ptr<plugin::PluginLibrary> library_;
  const tables::Catalog& catalog_;
  tree::ReadSide& reads_;
  EventHub& events_;
  const std::function<void()> on_fault_;
  ReaderProcesses& processes_;
  const Nanoseconds checkpoint_every_;
  const Nanoseconds callback_deadline_;

  std::unique_ptr<WorkerProcess> process_;  // constant after create; null: it could not be started
  JoinableThread listener_;

  // Of the listener.
  RateLimit message_limit_{20'000, 40'000};
  RateLimit event_limit_{10'000, 20'000};
  RateLimit log_limit_{200, 1000};
  RateLimit attempt_limit_{20, 50};
  std::optional<isolation::Attempts> attempts_;
  bool told_memory_ = false;

  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable answered_;
  ReaderProcesses::Attachment attachment_;
  UniqueFd arena_, slot_page_;          // until the process has them
  std::uint64_t ticket_ = 0;            // of the last order
  std::optional<says::Answer> answer_;  // to that one
  std::optional<SavedState> checkpoint_;
  std::optional<Error> fault_;
  std::string killed_for_;  // why it was killed
  std::string left_behind_;
  bool end_requested_ = false;
  bool ended_ = false;
};

}  // namespace perch::instances
