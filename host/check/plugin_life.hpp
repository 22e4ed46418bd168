// PluginLife: one instance of the plugin on a thread of its own, as in the host, but step by step as its
// check says.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/joinable_thread.hpp"
#include "check/sample_tables.hpp"
#include "check/stage.hpp"
#include "instances/plugin_proxy.hpp"
#include "instances/reader_instance.hpp"
#include "instances/step_pins.hpp"
#include "reading/snapshot_access.hpp"

namespace perch::check {

/// Whether an error that the plugin gives back is a finding, or what its check asked for.
enum class OnError { report, keep };

/// For one thread, which waits for each call to return.
///
/// Invariants
///   1. After the first call that fails nothing else is called but stop and destroy: a check is written
///   straight down.
///   2. The destructor stops and destroys what is alive, and joins the thread.
class PluginLife {
 public:
  /// `name` tells it apart in the report. `tables`: see SampleTables; versions are read, never written.
  PluginLife(Stage& stage, SampleTables& tables, std::string name, OnError on_error = OnError::report);
  ~PluginLife();
  PluginLife(const PluginLife&) = delete;
  PluginLife& operator=(const PluginLife&) = delete;

  /// create and start.
  void begin();
  /// create, restore and start: as a swap does with the next one.
  void take_over(const instances::SavedState& state);
  /// stop and destroy.
  void end();

  void create() { create(stage_.config()); }
  void create(const std::string& config);
  /// `state`: as save gave it; the first step then begins at its version.
  void restore(const instances::SavedState& state);
  void start();
  /// From the last step's version to the newest one.
  void step();
  instances::SavedState save();
  void stop();
  void destroy();
  /// Ends the thread; thread-local destructors of the plugin run.
  void join();

  tree::Version version() const noexcept { return pins_.current_version(); }  ///< of the last step
  const std::optional<Error>& failure() const noexcept { return failure_; }
  bool has_failed() const noexcept { return failure_.has_value(); }
  std::vector<WatchedHost::Publication> take_publications() { return host_.take_publications(); }

 private:
  template <class Function>
  auto call(const char* callback, const std::string& activity, Function&& function);
  void run_on_thread(const std::function<void()>& task);
  void serve();
  void fail_with(Error error);

  Stage& stage_;
  const std::string name_;
  const OnError on_error_;
  WatchedHost& host_;
  reading::BoundTables tables_;
  instances::PinNotes notes_;
  instances::StepPins pins_;
  instances::PluginProxy proxy_;
  std::optional<Error> failure_;
  JoinableThread thread_;

  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  const std::function<void()>* task_ = nullptr;
  bool ending_ = false;
  bool ended_ = false;
};

}  // namespace perch::check
