// Pinned versions: who holds which version of the tables, for how long, and what that costs.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "tree/reclaimer.hpp"

namespace perch::instances {

/// A generation of a reader that pins a version.
struct PinHolder {
  std::string reader;
  std::uint64_t generation = 0;
  std::string what;  ///< for what it needs it, e.g. "current step"
  tree::Version version = 0;
  std::chrono::nanoseconds held_for{0};
};

struct PinnedVersion {
  tree::Version version = 0;
  std::uint64_t bytes = 0;               ///< that hang on it, as of the writer's last look
  std::chrono::nanoseconds held_for{0};  ///< by the one who has held it longest
  std::vector<PinHolder> holders;        ///< none: pinned at the writer's last look, and given up since
};

/// Every version that is in one of the lists, oldest first.
std::vector<PinnedVersion> pinned_versions(const std::vector<tree::RetainedVersion>& retained,
                                           std::vector<PinHolder> holders);

/// What hangs on the versions that the reader pins. A version that several pin counts for each of them.
std::uint64_t retained_bytes(const std::vector<PinnedVersion>& versions, const std::string& reader);

/// The readers that retain most, e.g. "reader slow retains 3.1MiB (version 17 for 12s: current step)"; ""
/// when none retains anything.
std::string who_retains(const std::vector<PinnedVersion>& versions);

}  // namespace perch::instances
