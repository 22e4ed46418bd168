// Reader: what the manager knows of one reader. Plain data of the manager thread.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "instances/instance.hpp"
#include "instances/saved_state.hpp"
#include "plugin/plugin_library.hpp"
#include "readers/done.hpp"
#include "readers/readers_spec.hpp"
#include "readers/restart_tracker.hpp"
#include "readers/swap_report.hpp"
#include "tree/format.hpp"

namespace perch::readers {

using SteadyTime = std::chrono::steady_clock::time_point;

enum class ReaderState {
  running,
  swapping,     ///< a swap is under way
  probation,    ///< the new generation runs, the old one is suspended
  failed,       ///< its config is wrong: it is not started again by itself
  restarting,   ///< faulted; waits for its restart
  quarantined,  ///< faulted too often, or crashed; runs again after enable, swap, or when its file changes
  disabled,     ///< a person stopped it until it is enabled
};
const char* to_string(ReaderState state) noexcept;

/// A loaded copy of a plugin file and the instance that runs in it.
struct Generation {
  std::shared_ptr<plugin::PluginLibrary> plugin;
  std::shared_ptr<instances::Instance> instance;  ///< null: nothing runs, only the code is there
};

/// What a reader that does not run can go on from.
struct Checkpoint {
  instances::SavedState state;
  std::shared_ptr<const instances::LiveStats> noted_in;  ///< of the instance that saved it: says since when
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
  Reader(InstanceSpec instance, std::filesystem::path from, const RestartSpec& restart)
      : spec(std::move(instance)), file(std::move(from)), restart_tracker(restart) {}

  InstanceSpec spec;
  std::filesystem::path file;
  ReaderState state = ReaderState::running;
  Generation generation;
  std::optional<Probation> probation;
  RestartTracker restart_tracker;
  SteadyTime restart_at{};               ///< while restarting
  std::optional<Checkpoint> checkpoint;  ///< while no instance runs
  tree::Version restarted_from = 0;      ///< the checkpoint that the last restart began from
  std::uint64_t restarts_from_it = 0;
  std::uint64_t restarts = 0;
  std::string plugin_version;
  std::uint64_t generation_number = 0;
  std::string last_error;
  std::int64_t last_error_ns = 0;  ///< when, in nanoseconds since 1970

  void set_error(std::string text);
};

}  // namespace perch::readers
