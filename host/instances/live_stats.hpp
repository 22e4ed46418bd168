// LiveStats: the numbers of a running instance, and the metrics that its plugin keeps.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include <sys/types.h>

#include "base/duration_histogram.hpp"
#include "instances/pin_notes.hpp"
#include "instances/reader_status.hpp"

namespace perch::instances {

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

/// Which of the plugin's functions runs on the instance's thread. Written by that thread, read by any.
/// Rollbacks and kills are decided on it, so it never says that a call takes longer than it does:
///   1. begin stores the time and then the name, with release; a reader loads the name, with acquire, and
///   then the time. So the time is that of the named call or of a later one, never of an earlier one.
///   2. A reader looks at the clock before the name: the call was still running then, or began after it.
/// It may say too little when one call ends and the next one begins meanwhile; the next look is right again.
class CallbackNote {
 public:
  using Clock = std::chrono::steady_clock;

  void begin(const char* name, Clock::time_point now) noexcept {
    began_ns_.store(std::chrono::nanoseconds(now.time_since_epoch()).count(), std::memory_order_relaxed);
    name_.store(name, std::memory_order_release);
  }
  /// Relaxed: who sees that nothing runs looks at nothing else.
  void end() noexcept { name_.store(nullptr, std::memory_order_relaxed); }
  const char* name() const noexcept { return name_.load(std::memory_order_acquire); }  ///< null: none
  /// For how long it has been running; 0 when none runs.
  std::chrono::nanoseconds running_for() const noexcept {
    const std::chrono::nanoseconds now = Clock::now().time_since_epoch();
    if (name() == nullptr) return std::chrono::nanoseconds(0);
    return std::max(now - std::chrono::nanoseconds(began_ns()), std::chrono::nanoseconds(0));
  }
  /// Tells one call from the next. Read after the name, it is not older than the call of that name.
  std::int64_t began_ns() const noexcept { return began_ns_.load(std::memory_order_relaxed); }

 private:
  std::atomic<const char*> name_{nullptr};
  std::atomic<std::int64_t> began_ns_{0};
};

/// What a thread has used of the processor. Begun and ended by that thread, read by any.
class CpuClock {
 public:
  void begin() noexcept;
  void end() noexcept;
  std::int64_t used_ns() const noexcept;

 private:
  std::atomic<clockid_t> clock_{0};
  std::atomic<bool> running_{false};  // release and acquire: the clock is known, the total is final
  std::atomic<std::int64_t> total_ns_{0};
};

/// Written by the reader's thread (publications and metrics: by any of the plugin's), read by any.
/// Relaxed, but for `callback`: each number stands for itself.
struct LiveStats {
  std::atomic<tree::Version> version{0};
  std::atomic<std::int64_t> version_time_ns{0};  ///< when that was committed; 0: none yet
  std::atomic<std::uint64_t> steps{0};
  std::atomic<std::int64_t> first_step_ns{0};  ///< when its first step began, since 1970; 0: none yet
  std::atomic<std::uint64_t> publications{0};
  std::atomic<std::uint64_t> refused_publications{0};
  CallbackNote callback;
  std::atomic<pid_t> thread{0};  ///< the instance's; 0: not yet, or ended
  CpuClock cpu;
  DurationHistogram callbacks;  ///< on_commit's
  Metrics metrics;
  PinNotes pins;
  PinNote checkpoint;  ///< the version that the last saved state stands on

  /// For an instance in another process: what it says of itself, from now on. `callback_began_ns`: on the
  /// steady clock, which processes share.
  void report(ReaderStatus told, std::int64_t callback_began_ns);
  void copy_to(ReaderStatus& status) const;

 private:
  mutable std::mutex mutex_;          // guards what follows
  std::optional<ReaderStatus> told_;  // none: it runs here
};

}  // namespace perch::instances
