#include "base/child_process.hpp"

#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

#include "base/assert.hpp"

namespace perch {
namespace {

struct Pipe {
  UniqueFd read;
  UniqueFd write;
};

Result<Pipe> make_pipe() {
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC) != 0) return fail_errno("make a pipe");
  return Pipe{UniqueFd(fds[0]), UniqueFd(fds[1])};
}

/// Between fork and exec of a process with threads: async-signal-safe calls alone (signal-safety(7)).
[[noreturn]] void run_child(char* const* arguments, pid_t host, int output, int errors, int report) noexcept {
  const auto give_up = [report] {
    const int error = errno;
    [[maybe_unused]] const auto written = ::write(report, &error, sizeof error);
    ::_exit(127);
  };
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != host) ::_exit(127);  // the host died before prctl
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  for (const int number : {SIGPIPE, SIGINT, SIGTERM, SIGHUP, SIGCHLD}) ::signal(number, SIG_DFL);
  const int null = ::open("/dev/null", O_RDONLY);
  if (null < 0 || ::dup2(null, 0) < 0 || ::dup2(output, 1) < 0 || ::dup2(errors, 2) < 0) give_up();
  // The close-on-exec flag alone: `report` is still needed.
  ::syscall(SYS_close_range, 3u, ~0u, CLOSE_RANGE_CLOEXEC);
  ::execvp(arguments[0], arguments);
  give_up();
  ::_exit(127);
}

/// errno of a failed exec, 0 when it succeeded (the pipe was closed by it).
int exec_error(int report) noexcept {
  int error = 0;
  ssize_t count = 0;
  do {
    count = ::read(report, &error, sizeof error);
  } while (count < 0 && errno == EINTR);
  return count == sizeof error ? error : 0;
}

int wait_for(pid_t pid) noexcept {
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

void set_non_blocking(int fd) noexcept { ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK); }

constexpr int pipe_bytes = 1 << 20;  // a burst is taken over at once; the kernel's limit for users

}  // namespace

std::string to_string(const ExitStatus& status) {
  if (status.signal == 0) return "exited with status " + std::to_string(status.code);
  return "was killed by signal " + std::to_string(status.signal) + " (" + ::strsignal(status.signal) + ")";
}

Result<ChildProcess> ChildProcess::spawn(const std::vector<std::string>& command) {
  PERCH_ASSERT(!command.empty(), "a command without a program");
  auto output = make_pipe();
  auto errors = make_pipe();
  auto report = make_pipe();
  if (!output || !errors || !report) return fail("start " + command[0] + ": no file descriptors left");
  std::vector<char*> arguments;
  for (const std::string& argument : command) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);

  const pid_t host = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) return fail_errno("start " + command[0]);
  if (pid == 0)
    run_child(arguments.data(), host, output->write.get(), errors->write.get(), report->write.get());

  ::setpgid(pid, pid);  // both sides do it: whoever comes first, the group exists from here on
  report->write.reset();
  if (const int error = exec_error(report->read.get()); error != 0) {
    wait_for(pid);
    errno = error;
    return fail_errno("start " + command[0]);
  }
  UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  set_non_blocking(output->read.get());
  set_non_blocking(errors->read.get());
  ::fcntl(output->read.get(), F_SETPIPE_SZ, pipe_bytes);
  return ChildProcess(pid, std::move(pidfd), std::move(output->read), std::move(errors->read));
}

ChildProcess::ChildProcess(pid_t pid, UniqueFd pidfd, UniqueFd output, UniqueFd errors) noexcept
    : pid_(pid), pidfd_(std::move(pidfd)), output_(std::move(output)), errors_(std::move(errors)) {}

ChildProcess::ChildProcess(ChildProcess&& other) noexcept
    : pid_(std::exchange(other.pid_, 0)),
      pidfd_(std::move(other.pidfd_)),
      output_(std::move(other.output_)),
      errors_(std::move(other.errors_)) {}

ChildProcess::~ChildProcess() {
  if (pid_ != 0) end(std::chrono::milliseconds(0));
}

ExitStatus ChildProcess::end(std::chrono::milliseconds grace) {
  PERCH_ASSERT(pid_ != 0, "a child that has ended");
  ::kill(-pid_, SIGTERM);
  pollfd ended{pidfd_.get(), POLLIN, 0};
  if (pidfd_) ::poll(&ended, 1, static_cast<int>(grace.count()));
  // Before the child is reaped: until then its group's id cannot be anybody else's.
  ::kill(-pid_, SIGKILL);
  const int status = wait_for(std::exchange(pid_, 0));
  if (WIFSIGNALED(status)) return {0, WTERMSIG(status)};
  return {WEXITSTATUS(status), 0};
}

}  // namespace perch
