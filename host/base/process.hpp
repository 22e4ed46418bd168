// Process: another program as a child of this process. The one way in which the host starts one.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/unique_fd.hpp"

namespace perch {

/// What the child is, and all that it gets of this process.
struct ProcessSpec {
  /// A descriptor of this process, and its number in the child.
  struct Descriptor {
    int from;
    int at;
  };

  std::string program;                                  ///< a path, or a name that is searched for in PATH
  std::vector<std::string> arguments;                   ///< the first is the name that the program sees
  std::optional<std::vector<std::string>> environment;  ///< NAME=value each; none: this process's
  /// Every other descriptor is closed in the child. Of 0, 1 and 2 those that are not listed, or that this
  /// process does not have open, are /dev/null.
  std::vector<Descriptor> descriptors;
  bool ends_with_thread = false;  ///< killed when the thread that started it ends (PR_SET_PDEATHSIG)
};

/// How a process ended.
struct ExitStatus {
  int code = 0;    ///< when signal is 0
  int signal = 0;  ///< that killed it
  bool dumped_core = false;
  bool success() const noexcept { return code == 0 && signal == 0; }
};
/// "exited with status 3", "was killed by signal 9 (Killed)".
std::string to_string(const ExitStatus& status);

/// A child that leads a process group of its own, with no signal blocked and none ignored.
///
/// Thread safety: reap, moving and destroying from one thread, when no other uses it; the rest from any.
/// After reap a signal goes to nobody.
class Process {
 public:
  /// Returns when the program runs. Errors name the program.
  static Result<Process> start(const ProcessSpec& spec);

  Process(Process&& other) noexcept;
  Process& operator=(Process&&) = delete;
  ~Process();  ///< reaps it

  pid_t pid() const noexcept { return pid_; }
  /// Readable (poll) when the child has ended.
  int pidfd() const noexcept { return pidfd_.get(); }
  /// True when the child has ended; it is a zombie until reap.
  bool has_ended(std::chrono::milliseconds wait = {}) const noexcept;
  /// To the child alone.
  void signal(int number) const noexcept;
  /// To the child and what it has started; not after reap.
  void signal_group(int number) const noexcept;
  /// SIGKILL to the group, to what a child that has ended left behind, too; then the child's end. Once.
  ExitStatus reap() noexcept;

 private:
  Process(pid_t pid, UniqueFd pidfd) noexcept;

  pid_t pid_;
  UniqueFd pidfd_;
  bool is_reaped_ = false;
};

}  // namespace perch
