// StepTimer: what a swap did and how long each step took.
#pragma once

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "readers/reader_manager.hpp"

namespace perch::readers {

class StepTimer {
 public:
  /// The step that ends now, having begun when the last one ended.
  void done(std::string what) {
    const auto now = std::chrono::steady_clock::now();
    steps_.push_back({std::move(what), std::chrono::nanoseconds(now - last_).count()});
    last_ = now;
  }
  std::vector<SwapStep> take() { return std::exchange(steps_, {}); }

 private:
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
  std::vector<SwapStep> steps_;
};

}  // namespace perch::readers
