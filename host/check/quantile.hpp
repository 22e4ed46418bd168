// Durations of one thing done many times.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace perch::check {

/// The duration that `share` (0 to 1) of them stayed within; 0 when there are none.
inline std::int64_t quantile_ns(std::vector<std::int64_t> durations_ns, double share) {
  if (durations_ns.empty()) return 0;
  std::sort(durations_ns.begin(), durations_ns.end());
  const auto last = static_cast<double>(durations_ns.size() - 1);
  return durations_ns[static_cast<std::size_t>(last * share + 0.5)];
}

}  // namespace perch::check
