// Sandbox: what is left to a worker's code once it is in: the tree, to read; its channel; the files that the
// config names. No new privileges; rlimits for memory, processor time and files; Landlock for paths
// (landlock(7)); an allow-list of system calls (seccomp(2)), where whatever else is tried is first told to
// the host, by name.
//
// What the running kernel lacks is reported, not assumed.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/unique_fd.hpp"

struct seccomp_data;

namespace perch::isolation {

struct SandboxLimits {
  std::vector<std::filesystem::path> read;   ///< beside the libraries' folders
  std::vector<std::filesystem::path> write;  ///< to be read, too
  std::uint64_t memory_bytes = 0;
  std::int64_t cpu_s = 0;  ///< 0: no bound
  std::uint64_t files = 64;
};

struct Sandbox {
  UniqueFd attempts;               ///< for the host: each system call that is tried and not allowed
  std::vector<std::string> lacks;  ///< what this kernel has not, in words
};

/// For good, for this process and all of its threads to come; called while it has one thread. Errors: a limit
/// that cannot be set.
Result<Sandbox> enter_sandbox(const SandboxLimits& limits);

/// [host] What a process tries that its sandbox does not allow.
class Attempts {
 public:
  /// Of the process `pid`, as Sandbox::attempts came from it. `paths`: those that it may open (read and
  /// write).
  Attempts(UniqueFd listener, int pid, const SandboxLimits& paths);

  int fd() const noexcept { return listener_.get(); }
  /// Answers one that waits: opening a file that it may goes on, Landlock has the last word; anything else,
  /// also a path that is empty or cannot be read, fails with an error, and is returned in words,
  /// "open(/etc/shadow)". "": nothing to tell.
  std::string answer_next();

 private:
  struct Decision {
    int error = 0;       // 0: it goes on
    std::string report;  // "": nothing to tell
  };

  Decision decide(const seccomp_data& tried) const;
  Result<std::string> path_at(std::uint64_t address) const;
  bool may_open(const std::string& path, bool to_write) const;

  const UniqueFd listener_;
  const int pid_;
  const SandboxLimits paths_;
};

/// Where libraries come from: every worker may read these.
std::vector<std::filesystem::path> library_paths();

}  // namespace perch::isolation
