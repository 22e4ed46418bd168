// PinNotes: which versions an instance pins, for others to look at.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>

#include "tree/format.hpp"

namespace perch::instances {

/// A version and since when it is pinned; version 0: none. Written by the instance's thread, read by any.
/// Relaxed: numbers for people; who looks while one changes may see the new version with the old time.
class PinNote {
 public:
  void set(tree::Version version, std::chrono::steady_clock::time_point since) noexcept {
    since_ns_.store(std::chrono::nanoseconds(since.time_since_epoch()).count(), std::memory_order_relaxed);
    version_.store(version, std::memory_order_relaxed);
  }
  void clear() noexcept { version_.store(0, std::memory_order_relaxed); }
  tree::Version version() const noexcept { return version_.load(std::memory_order_relaxed); }
  std::chrono::steady_clock::time_point since() const noexcept {
    return std::chrono::steady_clock::time_point(
        std::chrono::nanoseconds(since_ns_.load(std::memory_order_relaxed)));
  }

 private:
  std::atomic<tree::Version> version_{0};
  std::atomic<std::int64_t> since_ns_{0};
};

/// A step stands on two versions at most.
using PinNotes = std::array<PinNote, 2>;

}  // namespace perch::instances
