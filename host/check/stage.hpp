// Stage: the loaded plugin and all that its instances need: where the checks that run it take place.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "check/check.hpp"
#include "check/sample_tables.hpp"
#include "check/watched_host.hpp"
#include "plugin/plugin_library.hpp"

namespace perch::check {

/// Thread safe. Lives longer than all instances, and until the library is unmapped.
class Stage {
 public:
  Stage(CheckContext& context, const plugin::PluginLibrary& library);

  CheckContext& context() noexcept { return context_; }
  CheckReport& report() noexcept { return context_.report; }
  const CheckOptions& options() const noexcept { return context_.options; }
  const plugin::PluginLibrary& plugin() const noexcept { return library_; }
  const plugin::Manifest& manifest() const noexcept { return library_.manifest(); }
  /// Of instances whose check has none of its own.
  const std::string& config() const noexcept { return config_; }
  Observations& seen() noexcept { return seen_; }

  /// Empty tables as the manifest says. Asserts that there can be such: the check of the manifest has seen
  /// it.
  std::unique_ptr<SampleTables> new_tables(Records records = Records::as_built,
                                           Values values = Values::odd) const;
  /// The services of one more instance. They stay: a thread that it leaves behind may still call them.
  WatchedHost& new_host();
  /// Of the instance `life`. The same one of others is counted only.
  void report_failure(const std::string& life, const Error& error);
  /// Notes how often failures came again.
  void report_repetitions();

 private:
  CheckContext& context_;
  const plugin::PluginLibrary& library_;
  const std::string config_;
  instances::EventHub events_;
  Observations seen_;
  std::mutex mutex_;  // guards what follows
  std::deque<std::unique_ptr<WatchedHost>> hosts_;
  std::map<std::string, std::uint64_t> failures_;  // how often, by message
};

/// Loads the plugin, lets `play` do its part, which gives the check's summary, and unloads it again.
void run_on_stage(CheckContext& context, const std::function<std::string(Stage&)>& play);

}  // namespace perch::check
