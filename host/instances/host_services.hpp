// HostServices: the perch_host of one instance: log, publish, metrics, how it wakes.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "base/rate_limit.hpp"
#include "instances/event_hub.hpp"
#include "instances/live_stats.hpp"
#include "perch/plugin.h"
#include "reading/rule_breaches.hpp"

namespace perch::instances {

/// The plugin calls these from any of its threads; none of them waits for anybody.
///
/// Invariants
///   1. After `silence` nothing leaves this object: a plugin that hangs in a callback may wake up later than
///   the
///      hub ends.
class HostServices {
 public:
  static constexpr std::size_t publication_bytes_max = std::size_t{256} << 10;
  static constexpr int publication_depth_max = 64;
  static constexpr std::size_t topic_bytes_max = 256;
  static constexpr std::size_t log_bytes_max = 4096;

  /// `events` must live until `silence` has returned.
  HostServices(std::string reader, std::uint64_t generation, EventHub& events,
               std::shared_ptr<LiveStats> stats);

  const perch_host* host() const noexcept { return &host_; }
  std::uint64_t wake_interval_ns() const noexcept {
    return wake_interval_ns_.load(std::memory_order_relaxed);
  }
  /// This is the reader's thread: before create, once; without it any may call wake_every. [reader thread]
  void begin_on_this_thread() noexcept { reader_thread_ = std::this_thread::get_id(); }
  /// wake_every is for create and start alone. [reader thread]
  void allow_wake_every(bool is_allowed) noexcept { wake_every_allowed_ = is_allowed; }
  /// The version that publications speak of from now on. [reader thread]
  void set_version(tree::Version version) noexcept { version_.store(version, std::memory_order_relaxed); }
  void silence();

 private:
  static HostServices& self(void* context) { return *static_cast<HostServices*>(context); }
  void log(std::int32_t level, const char* text, std::size_t size);
  perch_result publish(perch_string topic, perch_string json);
  enum class Refusal : std::uint8_t { too_large, too_many, no_json };
  perch_result refuse(Refusal why);
  perch_result refuse_locked(Refusal why);
  void update_metric(MetricKind kind, const char* function, perch_string name, double value);
  void wake_every(std::uint64_t interval_ns);

  const reading::RuleBreaches breaches_;
  const std::string reader_;
  const std::uint64_t generation_;
  const std::shared_ptr<LiveStats> stats_;
  perch_host host_{};
  std::thread::id reader_thread_;   // constant from create on
  bool wake_every_allowed_ = true;  // of the reader's thread
  // Relaxed: both are written by the reader's thread, and a publication of another thread is not ordered
  // against it.
  std::atomic<std::uint64_t> wake_interval_ns_{0};
  std::atomic<tree::Version> version_{0};

  std::mutex mutex_;  // guards what follows
  EventHub* events_;  // null: silent
  RateLimit log_limit_{200, 1000};
  RateLimit::Clock::time_point log_summary_due_{};
  RateLimit publish_limit_{10'000, 20'000};
  bool said_metric_refused_ = false;
  std::array<bool, 3> said_refused_{};  // by Refusal
};

}  // namespace perch::instances
