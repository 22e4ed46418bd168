#include "containment/interposed_libc.hpp"

#include <dlfcn.h>
#include <linux/close_range.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <mutex>

#include "base/host_descriptors.hpp"
#include "containment/crash_signals.hpp"
#include "containment/instance_guard.hpp"

namespace perch::containment {
namespace {

using StartRoutine = void* (*)(void*);

/// What stands behind ours: the C library's, or a sanitizer's. Found before main, since dlsym must not be
/// called between fork and exec.
struct RealFunctions {
  decltype(&::close) close;
  decltype(&::dup2) dup2;
  decltype(&::dup3) dup3;
  decltype(&::close_range) close_range;
  decltype(&::sigaction) sigaction;
  decltype(&::signal) signal;
  int (*pthread_create)(pthread_t*, const pthread_attr_t*, StartRoutine, void*);
  void (*exit)(int);
  void (*quick_exit)(int);
};

template <class Function>
void find(Function& function, const char* name) {
  function = reinterpret_cast<Function>(::dlsym(RTLD_NEXT, name));
}

const RealFunctions& real() noexcept {
  static const RealFunctions functions = [] {
    RealFunctions found{};
    find(found.close, "close");
    find(found.dup2, "dup2");
    find(found.dup3, "dup3");
    find(found.close_range, "close_range");
    find(found.sigaction, "sigaction");
    find(found.signal, "signal");
    find(found.pthread_create, "pthread_create");
    find(found.exit, "exit");
    find(found.quick_exit, "quick_exit");
    return found;
  }();
  return functions;
}

__attribute__((constructor)) void find_before_main() { real(); }

/// A copy of the process is the plugin's own, to do with as it likes.
bool is_to_be_watched() noexcept { return in_plugin() && !this_plugin_thread.is_forked_child; }

/// A plugin's thread that would have ended the process.
void park_if_plugin(const char* what) noexcept {
  if (!is_to_be_watched()) return;
  Crash crash;
  crash.what = what;
  crash.callback = this_plugin_thread.callback;
  crash.on_readers_thread = this_plugin_thread.is_readers;
  this_plugin_thread.guard->park(crash);
}

bool is_refused(int fd, const char* function) noexcept {
  if (!is_to_be_watched() || !host_descriptors::contains(fd)) return false;
  this_plugin_thread.guard->breaches().report(function, "on a file descriptor that is the host's");
  errno = EBADF;
  return true;
}

[[noreturn]] void end_process(int status) noexcept {
  for (;;) ::syscall(SYS_exit_group, status);
}

bool is_refused_signal(int signal, const char* function) noexcept {
  if (!is_to_be_watched() || !is_host_signal(signal)) return false;
  this_plugin_thread.guard->breaches().report(function, "for a signal that the host needs");
  errno = EINVAL;
  return true;
}

// ---- Threads

struct ThreadStart {
  StartRoutine routine;
  void* argument;
  std::shared_ptr<InstanceGuard> guard;
};

void* run_plugin_thread(void* raw) {
  struct Counted {
    std::unique_ptr<ThreadStart> start;
    ~Counted() {  // also when the thread ends by pthread_exit
      this_plugin_thread = {};
      start->guard->threads().end();
    }
  } const counted{std::unique_ptr<ThreadStart>(static_cast<ThreadStart*>(raw))};
  this_plugin_thread.guard = counted.start->guard.get();
  this_plugin_thread.callback = "a thread of its own";
  return counted.start->routine(counted.start->argument);
}

int create_plugin_thread(pthread_t* thread, const pthread_attr_t* attributes, StartRoutine routine,
                         void* argument) {
  InstanceGuard& guard = *this_plugin_thread.guard;
  auto start = std::make_unique<ThreadStart>(ThreadStart{routine, argument, guard.shared_from_this()});
  guard.threads().begin();
  const int error = real().pthread_create(thread, attributes, run_plugin_thread, start.get());
  if (error != 0) {
    guard.threads().end();
  } else {
    static_cast<void>(start.release());  // the thread's now
  }
  return error;
}

// ---- fork

void after_fork_in_parent() {
  if (!is_to_be_watched()) return;
  this_plugin_thread.has_forked = true;
  this_plugin_thread.guard->breaches().report("fork", "was called; use posix_spawn(3) for other programs");
}

void after_fork_in_child() {
  if (!in_plugin()) return;
  this_plugin_thread.is_forked_child = true;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // it shares the host's locks and sockets, and must not outlive it
}

}  // namespace

void install_interposed_libc() {
  static std::once_flag once;
  std::call_once(once, [] { ::pthread_atfork(nullptr, after_fork_in_parent, after_fork_in_child); });
}

void end_forked_children() noexcept {
  if (this_plugin_thread.is_forked_child) end_process(0);
  if (!this_plugin_thread.has_forked) return;
  constexpr int children_max = 64;
  for (int i = 0; i < children_max; ++i) {
    if (::waitpid(-1, nullptr, WNOHANG | __WNOTHREAD) > 0) continue;
    this_plugin_thread.has_forked = errno != ECHILD;
    return;
  }
}

}  // namespace perch::containment

// ---- The functions themselves, with the C library's names and signatures

using namespace perch::containment;

extern "C" {

void exit(int status) noexcept {
  park_if_plugin("called exit");
  real().exit(status);
  end_process(status);
}

void _exit(int status) {
  park_if_plugin("called _exit");
  end_process(status);
}

void _Exit(int status) noexcept {
  park_if_plugin("called _Exit");
  end_process(status);
}

void quick_exit(int status) noexcept {
  park_if_plugin("called quick_exit");
  real().quick_exit(status);
  end_process(status);
}

int close(int fd) { return is_refused(fd, "close") ? -1 : real().close(fd); }

int dup2(int from, int to) noexcept { return is_refused(to, "dup2") ? -1 : real().dup2(from, to); }

int dup3(int from, int to, int flags) noexcept {
  return is_refused(to, "dup3") ? -1 : real().dup3(from, to, flags);
}

int close_range(unsigned first, unsigned last, int flags) noexcept {
  if (is_to_be_watched() && (flags & CLOSE_RANGE_CLOEXEC) == 0) {
    constexpr unsigned kept_max = 65536;
    for (unsigned fd = first; fd <= last && fd < kept_max; ++fd) {
      if (is_refused(static_cast<int>(fd), "close_range")) return -1;
    }
  }
  return real().close_range(first, last, flags);
}

void closefrom(int first) noexcept { close_range(static_cast<unsigned>(first < 0 ? 0 : first), ~0u, 0); }

int sigaction(int signal, const struct sigaction* action, struct sigaction* old) noexcept {
  if (action != nullptr && is_refused_signal(signal, "sigaction")) return -1;
  return real().sigaction(signal, action, old);
}

sighandler_t signal(int number, sighandler_t handler) noexcept {
  if (is_refused_signal(number, "signal")) return SIG_ERR;
  return real().signal(number, handler);
}

int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, StartRoutine routine,
                   void* argument) noexcept {
  if (!is_to_be_watched()) return real().pthread_create(thread, attributes, routine, argument);
  try {
    return create_plugin_thread(thread, attributes, routine, argument);
  } catch (...) {  // out of memory
    return EAGAIN;
  }
}

}  // extern "C"
