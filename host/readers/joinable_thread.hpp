// JoinableThread: a thread that is waited for with a bound. std::thread can only be joined for ever, and the
// thread-local destructors of a plugin, which run at the end of its thread, may hang as well as anything
// else.
#pragma once

#include <pthread.h>

#include <chrono>
#include <functional>
#include <string>

#include "base/result.hpp"

namespace perch::readers {

/// Used by one thread at a time. Joined or detached before it is destroyed (asserted).
class JoinableThread {
 public:
  JoinableThread() = default;
  ~JoinableThread();
  JoinableThread(const JoinableThread&) = delete;
  JoinableThread& operator=(const JoinableThread&) = delete;

  /// `name`: as the system shows it, cut to 15 bytes.
  Result<void> start(const std::string& name, std::function<void()> body);
  /// True when it has ended, thread-local destructors included, or never ran.
  bool join_within(std::chrono::nanoseconds wait);
  void detach();
  bool is_joinable() const noexcept { return running_; }

 private:
  pthread_t thread_{};
  bool running_ = false;
};

}  // namespace perch::readers
