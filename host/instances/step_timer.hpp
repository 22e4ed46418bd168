// StepTimer: what a swap did and how long each step took.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace perch::instances {

/// One step of a swap, for the person who waits for it; each is an event "reader.step" when it is done.
struct SwapStep {
  std::string what;  ///< "read manifest", "copy", "load", "create", "hand over at version 4711", "accepted" …
  std::int64_t took_ns = 0;
};

class StepTimer {
 public:
  using Time = std::chrono::steady_clock::time_point;

  StepTimer() = default;
  /// `begin`: of the first step. `on_step` is told each step as it is done.
  StepTimer(Time begin, std::function<void(const SwapStep&)> on_step)
      : on_step_(std::move(on_step)), last_(begin) {}

  /// The step that ends now, having begun when the last one ended.
  void done(std::string what) {
    const auto now = std::chrono::steady_clock::now();
    steps_.push_back({std::move(what), std::chrono::nanoseconds(now - last_).count()});
    last_ = now;
    if (on_step_) on_step_(steps_.back());
  }
  std::vector<SwapStep> take() { return std::exchange(steps_, {}); }

 private:
  std::function<void(const SwapStep&)> on_step_;
  Time last_ = std::chrono::steady_clock::now();
  std::vector<SwapStep> steps_;
};

}  // namespace perch::instances
