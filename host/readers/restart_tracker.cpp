#include "readers/restart_tracker.hpp"

#include <algorithm>

namespace perch::readers {

std::optional<std::chrono::nanoseconds> RestartTracker::next_delay(Time now) {
  while (!faults_.empty() && now - faults_.front() > spec_.window) faults_.pop_front();
  if (faults_.size() >= spec_.limit) return std::nullopt;
  std::chrono::nanoseconds delay = spec_.delay_min;
  for (std::size_t i = 0; i < faults_.size() && delay < spec_.delay_max; ++i) delay *= 2;
  faults_.push_back(now);
  return std::min(delay, spec_.delay_max);
}

}  // namespace perch::readers
