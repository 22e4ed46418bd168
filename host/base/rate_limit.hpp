// RateLimit: so many a second, with a burst; the rest is refused and counted.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <utility>

namespace perch {

/// A token bucket. Not thread safe.
class RateLimit {
 public:
  using Clock = std::chrono::steady_clock;

  RateLimit(double per_second, double burst) : per_second_(per_second), burst_(burst), tokens_(burst) {}
  /// The first one, and then one per `period`: for messages that would fill the log.
  static RateLimit one_per(std::chrono::duration<double> period) { return {1 / period.count(), 1}; }

  bool allow(Clock::time_point now = Clock::now()) {
    now = std::max(now, last_);  // callers take the time before they take the lock
    tokens_ = std::min(burst_, tokens_ + std::chrono::duration<double>(now - last_).count() * per_second_);
    last_ = now;
    if (tokens_ < 1) {
      ++refused_;
      return false;
    }
    tokens_ -= 1;
    return true;
  }
  /// Refused since the last call.
  std::uint64_t take_refused() { return std::exchange(refused_, 0); }

 private:
  double per_second_;
  double burst_;
  double tokens_;
  Clock::time_point last_ = Clock::now();
  std::uint64_t refused_ = 0;
};

}  // namespace perch
