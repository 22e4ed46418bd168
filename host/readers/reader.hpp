// Reader: what the manager knows of one reader. Plain data of the manager thread, but for its state.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "instances/instance.hpp"
#include "plugin/plugin_library.hpp"
#include "readers/done.hpp"
#include "readers/reader_checkpoint.hpp"
#include "readers/reader_state.hpp"
#include "readers/readers_spec.hpp"
#include "readers/restart_tracker.hpp"
#include "readers/swap_report.hpp"

namespace perch::readers {

using SteadyTime = std::chrono::steady_clock::time_point;

/// A loaded copy of a plugin file and the instance that runs in it.
struct Generation {
  std::shared_ptr<plugin::PluginLibrary> plugin;
  std::shared_ptr<instances::Instance> instance;  ///< null: nothing runs, only the code is there
};

/// After a hand-over, until accept or rollback.
struct Probation {
  Generation old;  ///< suspended, its version pinned
  std::string old_config;
  SteadyTime ends;
  SwapReport report;
  SteadyTime began;
  std::chrono::nanoseconds end_wait{0};  ///< for the old one, once it is accepted
  Done<SwapReport> done;
};

struct Reader {
  Reader(InstanceSpec instance, std::filesystem::path from, std::string version, const RestartSpec& restart)
      : spec(std::move(instance)),
        file(std::move(from)),
        restart_tracker(restart),
        plugin_version(std::move(version)) {}

  InstanceSpec spec;
  std::filesystem::path file;
  Generation generation;
  std::optional<Probation> probation;
  RestartTracker restart_tracker;
  std::optional<SteadyTime> restart_at;
  ReaderCheckpoint checkpoint;  ///< while no instance runs
  std::uint64_t restarts = 0;
  std::string plugin_version;
  std::uint64_t generation_number = 0;
  std::string last_error;
  std::int64_t last_error_ns = 0;  ///< when, in nanoseconds since 1970

  ReaderState state() const noexcept { return state_; }
  /// The next state must be one that may follow. One that waits for no restart has no time for it any more.
  void become(ReaderState next);
  /// What is wrong between the state and the other parts, in words; "": nothing. For one that is shown.
  std::string check() const;

  void adopt(Generation next);
  void set_error(std::string text);

 private:
  ReaderState state_ = ReaderState::starting;
};

}  // namespace perch::readers
