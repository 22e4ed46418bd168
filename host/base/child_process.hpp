// ChildProcess: a command in a process group of its own, its output piped.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/unique_fd.hpp"

namespace perch {

/// How a process ended.
struct ExitStatus {
  int code = 0;    ///< when signal is 0
  int signal = 0;  ///< that killed it
  bool success() const noexcept { return code == 0 && signal == 0; }
};
/// "exited with status 3", "was killed by signal 9 (Killed)".
std::string to_string(const ExitStatus& status);

/// For the thread that spawned it: the child is killed when that thread ends (PR_SET_PDEATHSIG), so that it
/// never outlives the host. The destructor ends it as end(0) does.
class ChildProcess {
 public:
  /// Standard input is /dev/null; output() and errors() do not block. Errors name the program.
  static Result<ChildProcess> spawn(const std::vector<std::string>& command);

  ChildProcess(ChildProcess&& other) noexcept;
  ChildProcess& operator=(ChildProcess&&) = delete;
  ~ChildProcess();

  int output() const noexcept { return output_.get(); }
  int errors() const noexcept { return errors_.get(); }
  void close_errors() noexcept { errors_.reset(); }
  /// Readable (poll) when the child has ended.
  int pidfd() const noexcept { return pidfd_.get(); }
  pid_t pid() const noexcept { return pid_; }

  /// SIGTERM to the group, SIGKILL after `grace` (at once when the child had ended: to what it left behind),
  /// and the child's exit status. Call once.
  ExitStatus end(std::chrono::milliseconds grace);

 private:
  ChildProcess(pid_t pid, UniqueFd pidfd, UniqueFd output, UniqueFd errors) noexcept;

  pid_t pid_;  // 0: ended
  UniqueFd pidfd_;
  UniqueFd output_;
  UniqueFd errors_;
};

}  // namespace perch
