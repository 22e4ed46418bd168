// RestartTracker: when a reader that faulted may try again, and when it had enough chances.
#pragma once

#include <chrono>
#include <deque>
#include <optional>

#include "readers/readers_spec.hpp"

namespace perch::readers {

/// Not thread safe.
class RestartTracker {
 public:
  using Time = std::chrono::steady_clock::time_point;

  explicit RestartTracker(const RestartSpec& spec) : spec_(spec) {}

  /// A fault happened: how long to wait before the restart; nothing when `limit` restarts lie within the
  /// window.
  std::optional<std::chrono::nanoseconds> next_delay(Time now);
  void forget() { faults_.clear(); }

 private:
  RestartSpec spec_;
  std::deque<Time> faults_;  // within the window; at most limit
};

}  // namespace perch::readers
