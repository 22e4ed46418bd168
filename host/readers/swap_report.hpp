// SwapOptions and SwapReport: how a reader is to be swapped, and what was done.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "instances/step_timer.hpp"
#include "tree/format.hpp"

namespace perch::readers {

/// How a reader is to be swapped.
struct SwapOptions {
  std::filesystem::path file;                         ///< empty: the one it came from
  std::optional<std::chrono::nanoseconds> probation;  ///< nullopt: the configured one
  /// The old generation is not asked for its state and not waited for: for one that hangs. The new one begins
  /// at version 0, and there is no way back.
  bool without_state = false;
  /// All that can be tried without changing anything: load, create, restore a state saved now. Nothing stays.
  bool dry_run = false;
  /// Thread readers: loaded into the host without a trial in a worker.
  bool without_trial = false;
};

struct SwapReport {
  std::string reader;
  std::string from_version, to_version;
  std::uint64_t generation = 0;
  tree::Version at_version = 0;  ///< state was saved as of here; the new generation's first step starts here
  std::vector<instances::SwapStep> steps;
  bool dry_run = false;
  std::string
      remark;  ///< what to know of the new file, such as that it is the one that runs already; "": nothing
  std::string left;  ///< of the generation that went, in words; "": nothing
};

}  // namespace perch::readers
