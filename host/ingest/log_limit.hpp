// LogLimit: keeps a repeated message from flooding the log.
#pragma once

#include <chrono>
#include <cstdint>

namespace perch::ingest {

/// Lets `burst` messages through per `period` and counts the others. Not thread safe.
class LogLimit {
 public:
  LogLimit(std::uint32_t burst, std::chrono::nanoseconds period) noexcept : burst_(burst), period_(period) {}

  bool allow(std::chrono::steady_clock::time_point now = std::chrono::steady_clock::now()) noexcept {
    if (now - begin_ >= period_) {
      begin_ = now;
      used_ = 0;
    }
    if (used_ == burst_) {
      ++held_back_;
      return false;
    }
    ++used_;
    return true;
  }
  /// How many were held back since the last call.
  std::uint64_t take_held_back() noexcept {
    const auto count = held_back_;
    held_back_ = 0;
    return count;
  }

 private:
  std::uint32_t burst_;
  std::chrono::nanoseconds period_;
  std::chrono::steady_clock::time_point begin_{};
  std::uint32_t used_ = 0;
  std::uint64_t held_back_ = 0;
};

}  // namespace perch::ingest
