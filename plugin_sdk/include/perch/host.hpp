// Host: the services that the host offers a reader.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "perch/plugin.h"

namespace perch {

/// Lives as long as its reader. Any thread, but for wake_every. Nothing here blocks; what is said too fast is
/// cut and counted by the host.
class Host {
 public:
  explicit Host(const perch_host* host) noexcept : host_(host) {}
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  void log_debug(std::string_view text) noexcept { log(PERCH_LOG_DEBUG, text); }
  void log_info(std::string_view text) noexcept { log(PERCH_LOG_INFO, text); }
  void log_warn(std::string_view text) noexcept { log(PERCH_LOG_WARN, text); }
  void log_error(std::string_view text) noexcept { log(PERCH_LOG_ERROR, text); }

  /// Sends a JSON text to everyone who listens to the topic. False, and a warning in the log, when the host
  /// refused it: over 256 KiB, over 64 levels deep, or no JSON.
  bool publish(std::string_view topic, std::string_view json) {
    if (host_->publish(host_->context, c_string(topic), c_string(json)) == PERCH_OK) return true;
    log_warn("publication on '" + std::string(topic) + "' refused: " + std::to_string(json.size()) +
             " bytes, which are no JSON, more than 256 KiB or over 64 levels deep");
    return false;
  }

  /// Metrics; at most 64 names in one reader.
  void counter_add(std::string_view name, double amount = 1) noexcept {
    host_->counter_add(host_->context, c_string(name), amount);
  }
  void gauge_set(std::string_view name, double value) noexcept {
    host_->gauge_set(host_->context, c_string(name), value);
  }
  void histogram_record(std::string_view name, double value) noexcept {
    host_->histogram_record(host_->context, c_string(name), value);
  }

  /// In the constructor or in start: how often on_commit comes at most. 0, the default: at once after each
  /// commit.
  void wake_every(std::chrono::nanoseconds interval) noexcept {
    host_->wake_every(host_->context,
                      interval.count() > 0 ? static_cast<std::uint64_t>(interval.count()) : 0);
  }

  const perch_host* c_host() const noexcept { return host_; }

 private:
  static perch_string c_string(std::string_view text) noexcept { return {text.data(), text.size()}; }
  void log(std::int32_t level, std::string_view text) noexcept {
    host_->log(host_->context, level, text.data(), text.size());
  }

  const perch_host* host_;
};

}  // namespace perch
