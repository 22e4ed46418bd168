// Backoff: how long to wait before trying again: doubled from a minimum to a maximum.
#pragma once

#include <algorithm>
#include <chrono>

namespace perch::ingest {

class Backoff {
 public:
  Backoff(std::chrono::nanoseconds min, std::chrono::nanoseconds max) noexcept
      : min_(min), max_(max), next_(min) {}

  /// The delay before this try; the one after it will be twice as long.
  std::chrono::nanoseconds next() noexcept {
    const auto delay = std::min(next_, max_);
    next_ = std::min(max_, delay * 2);
    return delay;
  }
  /// After a success.
  void reset() noexcept { next_ = min_; }

 private:
  std::chrono::nanoseconds min_;
  std::chrono::nanoseconds max_;
  std::chrono::nanoseconds next_;
};

}  // namespace perch::ingest
