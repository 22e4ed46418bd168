// JoinableThread: a thread that may be refused, and is waited for with a bound. std::thread throws when the
// system has no thread left, and can only be joined for ever: the thread-local destructors of a plugin, which
// run at the end of its thread, may hang as well as anything else.
#pragma once

#include <pthread.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "base/result.hpp"

namespace perch {

/// The error when the system has no thread left for `name`; `error`: the errno.
tl::unexpected<Error> fail_no_thread(const std::string& name, int error);

/// Used by one thread at a time. Joined or detached before it is destroyed (asserted).
class JoinableThread {
 public:
  JoinableThread() = default;
  ~JoinableThread();
  JoinableThread(const JoinableThread&) = delete;
  JoinableThread& operator=(const JoinableThread&) = delete;

  /// `name`: as the system shows it, cut to 15 bytes. Errors, which name the thread: the system has none
  /// left.
  Result<void> start(const std::string& name, std::function<void()> body);
  /// Waits for its end for as long as that takes. Nothing when it never ran.
  void join();
  /// True when it has ended, thread-local destructors included, or never ran.
  bool join_within(std::chrono::nanoseconds wait);
  void detach();
  bool is_joinable() const noexcept { return running_; }

 private:
  friend class ThreadSupply;

  pthread_t thread_{};
  bool running_ = false;
};

/// Keeps one thread ready that has never run anything: a thread that sleeps is woken sooner than a new one
/// gets its first turn on a busy machine (0.1 against 2 ms, seen with two processors), and a swap waits for
/// it. Each is used once, so that its thread-locals are one generation's alone. Used by one thread.
class ThreadSupply {
 public:
  ThreadSupply() = default;
  ~ThreadSupply();  ///< ends the one that nobody used
  ThreadSupply(const ThreadSupply&) = delete;
  ThreadSupply& operator=(const ThreadSupply&) = delete;

  /// Has one made where there is none. A failure is told by start.
  void make_ready();
  /// As JoinableThread::start.
  Result<void> start(JoinableThread& thread, const std::string& name, std::function<void()> body);

 private:
  struct Spare;
  void give(const std::string& name, std::function<void()> body);

  JoinableThread thread_;  // running: the spare one
  std::shared_ptr<Spare> spare_;
};

}  // namespace perch
