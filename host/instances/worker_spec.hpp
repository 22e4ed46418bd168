// WorkersSpec: how processes are run that readers have to themselves.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace perch::instances {

/// What a worker may do beside reading the tree. All of it but `is_on` is the config's.
struct SandboxSpec {
  bool is_on = true;
  std::vector<std::filesystem::path> read;              ///< files and folders that it may read
  std::vector<std::filesystem::path> write;             ///< and those that it may read and write
  std::uint64_t memory_bytes = std::uint64_t{1} << 30;  ///< of its own; the tree is not counted
  std::chrono::seconds cpu{0};                          ///< in all; 0: no bound
  std::uint32_t files = 64;                             ///< open at once
  bool operator==(const SandboxSpec&) const = default;
};

/// Of each path that the config names and that is not there, what follows from that.
std::vector<std::string> missing_paths(const SandboxSpec& sandbox);

struct WorkersSpec {
  std::filesystem::path program;  ///< perch-worker; empty: there are no workers
  SandboxSpec sandbox;
};

/// How much is asked of a plugin in its trial (trial.hpp). On a stream that stands still it is over after
/// `time_max`.
struct TrialSpec {
  std::uint64_t steps = 8;  ///< 0: there is no trial
  std::chrono::nanoseconds time_max = std::chrono::milliseconds(500);
  bool operator==(const TrialSpec&) const = default;
};

}  // namespace perch::instances
