// Loading and unloading, over and over, and what that takes.
#include <chrono>

#include "base/units.hpp"
#include "check/check.hpp"
#include "check/loaded_plugin.hpp"
#include "check/process_traces.hpp"
#include "check/quantile.hpp"

namespace perch::check {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int rounds_wanted = 100;
constexpr int rounds_before_comparing = 10;  // by then the loader's and malloc's own memory has settled
constexpr std::size_t mappings_more_max = 20;
constexpr std::int64_t load_budget_ns = 20'000'000;
constexpr std::int64_t manifest_budget_ns = 1'000'000;

std::int64_t ns_since(Clock::time_point began) {
  return std::chrono::nanoseconds(Clock::now() - began).count();
}

struct LoadTimes {
  std::vector<std::int64_t> manifest_ns;
  std::vector<std::int64_t> load_ns;
  std::vector<std::int64_t> unload_ns;
};

/// One load and unload. False: it failed, and the report says so.
bool load_once(CheckContext& context, LoadTimes& times) {
  const auto began = Clock::now();
  const bool is_manifest_good = plugin::PluginFile::open(context.options.file).has_value();
  times.manifest_ns.push_back(ns_since(began));
  const auto load_began = Clock::now();
  const auto library = load_plugin(context);
  times.load_ns.push_back(ns_since(load_began));
  if (library == nullptr || !is_manifest_good) return false;
  const auto unload_began = Clock::now();
  const bool is_gone = unload_plugin(context, *library);
  times.unload_ns.push_back(ns_since(unload_began));
  return is_gone;
}

/// Libraries that came with the plugin and stayed.
void report_held_files(const ProcessTraces& before, const ProcessTraces& after, CheckReport& report) {
  for (const std::string& file : after.mapped_files) {
    if (before.mapped_files.count(file) == 0) {
      report.warn("a library that it needs stays in memory after it: " + file,
                  "link the library statically and without unique symbols, or do without it");
    }
  }
}

void report_times(const LoadTimes& times, CheckReport& report) {
  const std::int64_t load_ns = quantile_ns(times.load_ns, 0.5);
  const std::int64_t manifest_ns = quantile_ns(times.manifest_ns, 0.5);
  report.measure("loads", times.load_ns.size());
  report.measure("load_median_ns", load_ns);
  report.measure("load_max_ns", quantile_ns(times.load_ns, 1));
  report.measure("manifest_median_ns", manifest_ns);
  report.measure("unload_median_ns", quantile_ns(times.unload_ns, 0.5));
  const auto over = [&](const char* what, std::int64_t took_ns, std::int64_t budget_ns) {
    if (took_ns <= budget_ns) return;
    report.warn(std::string(what) + " takes " + format_duration(std::chrono::nanoseconds(took_ns)) +
                    ", more than " + format_duration(std::chrono::nanoseconds(budget_ns)),
                "static constructors and large libraries make loading slow");
  };
  over("loading", load_ns, load_budget_ns);
  over("reading the manifest", manifest_ns, manifest_budget_ns);
}

}  // namespace

void check_load(CheckContext& context) {
  CheckReport& report = context.report;
  const ProcessTraces before = ProcessTraces::now();
  std::size_t mappings = 0;
  LoadTimes times;
  int round = 0;
  for (; round < rounds_wanted && !(round > rounds_before_comparing && context.is_time_over()); ++round) {
    if (round == rounds_before_comparing) mappings = ProcessTraces::now().mappings;
    if (load_once(context, times)) continue;
    report.measure("loads", times.unload_ns.size());  // none: nothing that loads it has to be tried
    return report.done("round " + std::to_string(round + 1) + " failed");
  }
  for (const std::string& line : lasting_differences(before)) {
    report.fail("after loading and unloading " + line, "undo in a destructor what a constructor does");
  }
  const ProcessTraces after = ProcessTraces::now();
  report_held_files(before, after, report);
  if (after.mappings > mappings + mappings_more_max) {
    report.fail("each load leaves memory mapped: " + std::to_string(mappings) + " mappings after " +
                    std::to_string(rounds_before_comparing) + " loads, " + std::to_string(after.mappings) +
                    " after " + std::to_string(round),
                "undo in a destructor what a constructor does");
  }
  report_times(times, report);
  report.done(std::to_string(round) + " loads and unloads, gone each time; a load takes " +
              format_duration(std::chrono::nanoseconds(quantile_ns(times.load_ns, 0.5))) + ", its manifest " +
              format_duration(std::chrono::nanoseconds(quantile_ns(times.manifest_ns, 0.5))));
}

}  // namespace perch::check
