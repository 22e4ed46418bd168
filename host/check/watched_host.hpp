// WatchedHost: the host's services as one instance gets them, with a note of what it does with them.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "check/check_report.hpp"
#include "instances/event_hub.hpp"
#include "instances/host_services.hpp"
#include "instances/live_stats.hpp"

namespace perch::check {

/// What the instances of a check did. Thread safe; ends after all of them.
class Observations {
 public:
  static constexpr std::size_t names_kept_max = 200;

  struct Publications {
    std::uint64_t accepted = 0;
    std::uint64_t bytes_max = 0;
    std::map<std::string, std::uint64_t> refused;  ///< by why
    std::set<std::string> topics;                  ///< not more than names_kept_max
  };
  struct LogLines {
    std::array<std::uint64_t, 4> by_level{};  ///< PERCH_LOG_DEBUG …
    std::map<std::string, std::uint64_t> texts;
  };

  void add_publication(const std::string& topic, std::size_t bytes);
  void add_refusal(const std::string& why);
  void add_line(std::int32_t level, const std::string& text);
  void add_metric(const std::string& name);
  void add_time(const std::string& callback, std::int64_t took_ns);

  Publications publications() const;
  LogLines lines() const;
  std::set<std::string> metrics() const;
  std::map<std::string, std::vector<std::int64_t>> times_ns() const;  ///< by callback
  std::uint64_t callbacks() const;

 private:
  mutable std::mutex mutex_;
  Publications publications_;
  LogLines lines_;
  std::set<std::string> metrics_;
  std::map<std::string, std::vector<std::int64_t>> times_ns_;
};

/// One instance's. The plugin calls it from any of its threads, perhaps too late: it has to outlive the
/// library.
class WatchedHost {
 public:
  struct Publication {
    std::string topic;
    std::string json;
    bool operator==(const Publication&) const = default;
  };

  WatchedHost(std::string reader, instances::EventHub& events, Observations& seen);

  const perch_host* host() const noexcept { return &host_; }
  /// What the host says of its own thread and of the time when wake_every is allowed. [reader thread]
  instances::HostServices& services() noexcept { return services_; }
  void set_version(tree::Version version) noexcept { services_.set_version(version); }
  /// Since the last call: what was published, and accepted.
  std::vector<Publication> take_publications();

 private:
  static WatchedHost& self(void* context) { return *static_cast<WatchedHost*>(context); }
  perch_result publish(perch_string topic, perch_string json);
  void note_metric(perch_string name);

  const std::shared_ptr<instances::LiveStats> stats_ = std::make_shared<instances::LiveStats>();
  instances::HostServices services_;
  const perch_host* const inner_;
  perch_host host_;
  Observations& seen_;
  std::mutex mutex_;
  std::vector<Publication> publications_;
};

}  // namespace perch::check
