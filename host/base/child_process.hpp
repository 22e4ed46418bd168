// ChildProcess: a command whose output this process reads.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <string>
#include <vector>

#include "base/process.hpp"
#include "base/result.hpp"
#include "base/unique_fd.hpp"

namespace perch {

/// For the thread that spawned it: the child is killed when that thread ends, so that it never outlives the
/// host. The destructor ends it as end(0) does.
class ChildProcess {
 public:
  /// Standard input is /dev/null; output() and errors() do not block. Errors name the program.
  static Result<ChildProcess> spawn(const std::vector<std::string>& command);

  int output() const noexcept { return output_.get(); }
  int errors() const noexcept { return errors_.get(); }
  void close_errors() noexcept { errors_.reset(); }
  /// Readable (poll) when the child has ended.
  int pidfd() const noexcept { return process_.pidfd(); }
  pid_t pid() const noexcept { return process_.pid(); }

  /// SIGTERM to the group, SIGKILL after `grace` (at once when the child had ended: to what it left behind),
  /// and the child's exit status. Call once.
  ExitStatus end(std::chrono::milliseconds grace);

 private:
  ChildProcess(Process process, UniqueFd output, UniqueFd errors) noexcept;

  Process process_;
  UniqueFd output_;
  UniqueFd errors_;
};

}  // namespace perch
