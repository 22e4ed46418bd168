// This machine's own telemetry as a stream: a sample of /proc at each interval.
#pragma once

#include <chrono>
#include <cstdint>

namespace perch::feed {

enum class SystemRows { processes, cpus, memory };

struct SystemOptions {
  std::chrono::nanoseconds every = std::chrono::milliseconds(200);
  std::uint64_t count = 0;  ///< samples; 0: without end
  SystemRows rows = SystemRows::processes;
};

/// Rows of one sample share `ts` (ns since 1970 UTC):
///   processes  {"ts","pid","name","cpu_percent","rss_bytes","read_bytes","written_bytes","threads"}
///   cpus       {"ts","cpu","busy_percent"}
///   memory     {"ts","total_bytes","available_bytes","load_1m"}
/// Percentages are of one CPU, over the time since the sample before; so the first sample comes after one
/// interval.
void run_system(const SystemOptions& options);

}  // namespace perch::feed
