// The time since some start, for durations: nobody can set it.
#pragma once

#include <chrono>
#include <cstdint>

namespace perch {

inline std::int64_t steady_now_ns() noexcept {
  return std::chrono::steady_clock::now().time_since_epoch() / std::chrono::nanoseconds(1);
}

}  // namespace perch
