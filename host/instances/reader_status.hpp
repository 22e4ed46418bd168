// ReaderStatus: what is told of a reader: state, versions, times, metrics.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tree/format.hpp"

namespace perch::instances {

struct MetricValue {
  std::string kind;  ///< counter, gauge, histogram
  double value = 0;  ///< counter: sum; gauge: last; histogram: mean
  std::uint64_t count = 0;
};

struct ReaderStatus {
  std::string name;
  std::string plugin;
  std::string plugin_version;
  /// running, swapping, probation, failed, restarting, quarantined, disabled, refused, stopped
  std::string state;
  std::string file;           ///< the file it was loaded from
  std::string config = "{}";  ///< JSON object
  std::uint64_t generation = 0;
  tree::Version version = 0;             ///< `current` of its last on_commit
  tree::Version checkpoint_version = 0;  ///< its state was last saved as of here; 0: not yet
  std::uint64_t steps = 0;
  std::int64_t first_step_ns = 0;  ///< when its first step began, in nanoseconds since 1970; 0: none yet
  std::uint64_t publications = 0;
  std::uint64_t refused_publications = 0;  ///< no JSON, too large, or too many
  std::uint64_t restarts = 0;
  std::int64_t version_time_ns = 0;  ///< when `version` was committed, in nanoseconds since 1970; 0: none yet
  std::string callback;              ///< the plugin's function that runs now; "": none
  std::int64_t callback_for_ns = 0;
  std::int64_t cpu_ns = 0;  ///< what its thread has used of the processor
  std::int64_t callback_p50_ns = 0;
  std::int64_t callback_p99_ns = 0;
  std::int64_t callback_max_ns = 0;
  std::string last_error;
  std::int64_t last_error_ns = 0;             ///< when, in nanoseconds since 1970; 0: never
  std::vector<std::string> pinned_libraries;  ///< retired generations that would not unmap, and why
  std::map<std::string, MetricValue> metrics;
  bool is_process = false;
  std::int64_t pid = 0;  ///< of its worker; 0: none
};

}  // namespace perch::instances
