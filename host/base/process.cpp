#include "base/process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

#include "base/assert.hpp"

namespace perch {
namespace {

/// Why the child did not come to run the program.
struct StartFailure {
  int error = 0;
  const char* step = "";  // a literal: the same in both processes
};

/// All that the child needs, allocated before it is there.
struct ChildPlan {
  std::vector<char*> arguments;
  std::vector<char*> environment;
  std::vector<ProcessSpec::Descriptor> descriptors;  // from −1: /dev/null
  const char* program;
  int first_free;  // above all numbers that the child is given
  pid_t parent;
  bool ends_with_thread;
};

bool is_standard(int fd) noexcept { return fd <= STDERR_FILENO; }

std::vector<char*> pointers_to(const std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (const std::string& text : texts) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

ChildPlan plan_child(const ProcessSpec& spec) {
  ChildPlan plan{pointers_to(spec.arguments), {},         spec.descriptors,     spec.program.c_str(),
                 STDERR_FILENO + 1,           ::getpid(), spec.ends_with_thread};
  if (spec.environment) {
    plan.environment = pointers_to(*spec.environment);
  } else {
    for (char** each = ::environ; each != nullptr && *each != nullptr; ++each)
      plan.environment.push_back(*each);
    plan.environment.push_back(nullptr);
  }
  for (const auto& each : plan.descriptors) plan.first_free = std::max(plan.first_free, each.at + 1);
  return plan;
}

// ---- The child, up to exec. It shares this process's memory (vfork): async-signal-safe calls alone
// (signal-safety(7)), nothing allocated, nothing destroyed.

[[noreturn]] void give_up(int report, const char* step) noexcept {
  const StartFailure failure{errno, step};
  [[maybe_unused]] const auto written = ::write(report, &failure, sizeof failure);
  ::_exit(127);
}

bool close_from_to(int first, unsigned last) noexcept {
  const auto begin = static_cast<unsigned>(first);
  return begin > last || ::syscall(SYS_close_range, begin, last, 0u) == 0;
}

/// Gives the child its descriptors and closes all others but the pipe it reports to. Returns that one's new
/// number: `report` may be one of those that the child is given.
int arrange_descriptors(ChildPlan& plan, int report) noexcept {
  const int moved = ::fcntl(report, F_DUPFD_CLOEXEC, plan.first_free);
  if (moved < 0) give_up(report, "descriptors for it");
  report = moved;
  // First all out of the way, so that none is overwritten before it has been copied.
  for (auto& each : plan.descriptors) {
    if (each.from < 0) continue;
    each.from = ::fcntl(each.from, F_DUPFD_CLOEXEC, plan.first_free);
    if (each.from < 0) give_up(report, "descriptors for it");
  }
  for (int fd = 0; fd < plan.first_free; ++fd) ::close(fd);
  for (const auto& each : plan.descriptors) {
    if (each.from >= 0 && ::dup2(each.from, each.at) < 0) give_up(report, "descriptors for it");
  }
  for (int fd = 0; is_standard(fd); ++fd) {
    if (::fcntl(fd, F_GETFD) >= 0) continue;
    // The lowest number that is free is `fd`: all below it are open.
    if (::open("/dev/null", O_RDWR) != fd) give_up(report, "/dev/null");
  }
  if (!close_from_to(plan.first_free, static_cast<unsigned>(report) - 1) || !close_from_to(report + 1, ~0u))
    give_up(report, "close what it must not inherit (close_range, Linux 5.9)");
  return report;
}

void reset_signals() noexcept {
  struct sigaction action {};
  action.sa_handler = SIG_DFL;
  for (int number = 1; number < NSIG; ++number) ::sigaction(number, &action, nullptr);
  ::sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

[[noreturn]] __attribute__((noinline)) void run_child(ChildPlan& plan, int report) noexcept {
  ::setpgid(0, 0);
  if (plan.ends_with_thread) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != plan.parent) ::_exit(127);  // the parent died before prctl
  }
  report = arrange_descriptors(plan, report);
  reset_signals();
  ::execvpe(plan.program, plan.arguments.data(), plan.environment.data());
  give_up(report, "");
}

// ---- The parent

/// Makes the child. Not fork, which copies the page tables and holds all other threads' page faults up
/// meanwhile: with vfork only this thread waits, until the child has run the program or ended.
pid_t make_child(ChildPlan& plan, int report) noexcept {
  // No handler of this process may run in the child, where it would find this process's memory.
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  const pid_t pid = ::vfork();
  if (pid == 0) run_child(plan, report);
  const int error = errno;
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  errno = error;
  return pid;
}

/// error 0: the program runs (exec has closed the pipe).
StartFailure read_failure(int report) noexcept {
  StartFailure failure;
  ssize_t count = 0;
  do {
    count = ::read(report, &failure, sizeof failure);
  } while (count < 0 && errno == EINTR);
  return count == sizeof failure ? failure : StartFailure{};
}

int wait_for(pid_t pid) noexcept {
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

}  // namespace

std::string to_string(const ExitStatus& status) {
  if (status.signal == 0) return "exited with status " + std::to_string(status.code);
  return "was killed by signal " + std::to_string(status.signal) + " (" + ::strsignal(status.signal) + ")";
}

Result<Process> Process::start(const ProcessSpec& spec) {
  PERCH_ASSERT(!spec.arguments.empty(), "a program without a name");
  const std::string what = "start " + spec.program;
  ChildPlan plan = plan_child(spec);
  // Before the pipe, which takes a number that is free.
  for (auto& each : plan.descriptors) {
    if (::fcntl(each.from, F_GETFD) >= 0) continue;
    if (!is_standard(each.at)) return fail_errno(what + ": descriptor " + std::to_string(each.from));
    each.from = -1;
  }
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return fail_errno(what + ": make a pipe");
  const UniqueFd read_end(ends[0]);
  UniqueFd write_end(ends[1]);
  const pid_t pid = make_child(plan, write_end.get());
  if (pid < 0) return fail_errno(what);
  write_end.reset();
  if (const StartFailure failure = read_failure(read_end.get()); failure.error != 0) {
    wait_for(pid);
    errno = failure.error;
    return fail_errno(*failure.step == '\0' ? what : what + ": " + failure.step);
  }
  Process process(pid, UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))));
  if (!process.pidfd_) return fail_errno(what + ": watch it (pidfd_open)");
  return process;
}

Process::Process(pid_t pid, UniqueFd pidfd) noexcept : pid_(pid), pidfd_(std::move(pidfd)) {}

Process::Process(Process&& other) noexcept
    : pid_(other.pid_), pidfd_(std::move(other.pidfd_)), is_reaped_(std::exchange(other.is_reaped_, true)) {}

Process::~Process() {
  if (!is_reaped_) reap();
}

bool Process::has_ended(std::chrono::milliseconds wait) const noexcept {
  pollfd ended{pidfd_.get(), POLLIN, 0};
  return ::poll(&ended, 1, static_cast<int>(wait.count())) > 0;
}

void Process::signal(int number) const noexcept {
  ::syscall(SYS_pidfd_send_signal, pidfd_.get(), number, nullptr, 0);
}

void Process::signal_group(int number) const noexcept { ::kill(-pid_, number); }

ExitStatus Process::reap() noexcept {
  PERCH_ASSERT(!is_reaped_, "a process is reaped once");
  // Before it is reaped: until then its group's id cannot be anybody else's.
  signal_group(SIGKILL);
  is_reaped_ = true;
  const int status = wait_for(pid_);
  if (WIFSIGNALED(status)) return {0, WTERMSIG(status), WCOREDUMP(status) != 0};
  return {WEXITSTATUS(status), 0, false};
}

}  // namespace perch
