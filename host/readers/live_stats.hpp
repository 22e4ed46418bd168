// LiveStats: the numbers of a running instance, and the metrics that its plugin keeps.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "base/duration_histogram.hpp"
#include "readers/pin_notes.hpp"
#include "readers/reader_manager.hpp"

namespace perch::readers {

enum class MetricKind : std::uint8_t { counter, gauge, histogram };

/// At most 64 names, each a kind for good. Thread safe.
class Metrics {
 public:
  static constexpr std::size_t names_max = 64;
  static constexpr std::size_t name_bytes_max = 128;

  /// counter: adds; gauge: sets; histogram: records. False: too many names, or the name is of another kind.
  bool update(MetricKind kind, std::string_view name, double value);
  std::map<std::string, MetricValue> values() const;

 private:
  struct Metric {
    MetricKind kind;
    double value = 0;  // counter and histogram: the sum; gauge: the last one
    std::uint64_t count = 0;
  };
  mutable std::mutex mutex_;
  std::map<std::string, Metric, std::less<>> metrics_;
};

/// Written by the reader's thread (publications and metrics: by any of the plugin's), read by any.
/// Relaxed throughout: each number stands for itself.
struct LiveStats {
  std::atomic<tree::Version> version{0};
  std::atomic<std::uint64_t> steps{0};
  std::atomic<std::int64_t> first_step_ns{0};  ///< when its first step began, since 1970; 0: none yet
  std::atomic<std::uint64_t> publications{0};
  std::atomic<std::int64_t> callback_began_ns{
      0};  // the on_commit that runs now, on the steady clock; 0: none
  DurationHistogram callbacks;
  Metrics metrics;
  PinNotes pins;
  PinNote checkpoint;  ///< the version that the last saved state stands on

  void copy_to(ReaderStatus& status) const;
  /// For how long its on_commit has been running now; 0 when none runs.
  std::chrono::nanoseconds in_callback_for() const;
};

}  // namespace perch::readers
