// The folder that a running host keeps its files in, and the lock that makes it one host's alone.
#pragma once

#include <filesystem>

#include "base/result.hpp"
#include "base/unique_fd.hpp"

namespace perch {

/// Held for the life of the host: the kernel drops the lock when the process ends, however it ends.
class RunFolder {
 public:
  /// Creates the folder (0700) where missing and locks <folder>/perchd.lock. Errors: the folder cannot be
  /// made, another host runs in it.
  static Result<RunFolder> take(const std::filesystem::path& folder);

 private:
  explicit RunFolder(UniqueFd lock) : lock_(std::move(lock)) {}
  UniqueFd lock_;
};

}  // namespace perch
