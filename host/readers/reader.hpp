// Reader: what the manager knows of one reader. Plain data of the manager thread.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "readers/plugin_library.hpp"
#include "readers/reader_instance.hpp"
#include "readers/reader_manager.hpp"
#include "readers/restart_tracker.hpp"

namespace perch::readers {

using SteadyTime = std::chrono::steady_clock::time_point;

enum class ReaderState {
  running,
  swapping,     ///< a swap is under way
  probation,    ///< the new generation runs, the old one is suspended
  failed,       ///< its config is wrong: it is not started again by itself
  restarting,   ///< faulted; waits for its restart
  quarantined,  ///< faulted too often; runs again after swap, load, or when its file changes
};
const char* to_string(ReaderState state) noexcept;

/// A loaded copy of a plugin file and the instance that runs in it.
struct Generation {
  std::shared_ptr<PluginLibrary> plugin;
  std::shared_ptr<ReaderInstance> instance;  ///< null: nothing runs, only the code is there
};

/// After a hand-over, until accept or rollback.
struct Probation {
  Generation old;  ///< suspended, its version pinned
  std::string old_config;
  SteadyTime ends;
  SwapReport report;
  SteadyTime began;
  ReaderManager::Done<SwapReport> done;
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
  SteadyTime restart_at{};  ///< while restarting
  std::uint64_t restarts = 0;
  std::string plugin_version;
  std::uint64_t generation_number = 0;
  std::string last_error;
};

}  // namespace perch::readers
