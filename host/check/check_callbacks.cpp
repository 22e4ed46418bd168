// What a plugin does on an ordinary day: what it says, and how long it takes.
#include "base/units.hpp"
#include "check/long_life.hpp"
#include "check/quantile.hpp"
#include "instances/live_stats.hpp"

namespace perch::check {
namespace {

constexpr std::uint64_t lines_per_call_max = 10;
constexpr std::uint64_t lines_always_allowed = 200;  // the host takes so many a second
constexpr int lines_shown_max = 5;
constexpr std::int64_t slow_median_ns = 100'000'000;
constexpr std::int64_t slow_max_ns = 1'000'000'000;

std::string duration_text(std::int64_t ns) { return format_duration(std::chrono::nanoseconds(ns)); }

void warn_of_time(Stage& stage, bool is_whole) {
  if (!is_whole) {
    stage.report().warn("there was no time for all of the steps: its callbacks are slow",
                        "give --deadline, or fewer --rows");
  }
}

std::string judge_publications(const Observations::Publications& publications, CheckReport& report) {
  for (const auto& [why, count] : publications.refused) {
    report.fail(
        std::to_string(count) + " publications were refused: " + why,
        "publish valid JSON of at most 256 KiB (perch::JsonWriter writes it), not more than the host takes");
  }
  std::string topics;
  for (const std::string& topic : publications.topics) topics += (topics.empty() ? "" : ", ") + topic;
  report.measure("publications", publications.accepted);
  report.measure("publication_max_bytes", publications.bytes_max);
  if (publications.accepted == 0) return "nothing published";
  return std::to_string(publications.accepted) + " publications on " + topics.substr(0, 200) +
         ", of at most " + format_size(publications.bytes_max);
}

std::string judge_lines(const Observations::LogLines& lines, std::uint64_t calls, CheckReport& report) {
  std::uint64_t count = 0;
  for (const std::uint64_t of_level : lines.by_level) count += of_level;
  report.measure("log_lines", count);
  int shown = 0;
  for (const auto& [text, times] : lines.texts) {
    if (shown++ == lines_shown_max) break;
    report.note("logged " + std::to_string(times) + " times: " + text);
  }
  if (count > lines_always_allowed && count > calls * lines_per_call_max) {
    report.warn(
        "it floods the log: " + std::to_string(count) + " lines in " + std::to_string(calls) + " calls",
        "log what is rare; count with metrics what is not");
  }
  return std::to_string(count) + " log lines";
}

std::string judge_metrics(const std::set<std::string>& names, CheckReport& report) {
  report.measure("metrics", names.size());
  if (names.size() > instances::Metrics::names_max) {
    report.fail("it has " + std::to_string(names.size()) + " or more names of metrics; the host keeps " +
                    std::to_string(instances::Metrics::names_max),
                "names are for kinds of things: publish what there is of each thing");
  }
  return std::to_string(names.size()) + " metrics";
}

std::string show_output(Stage& stage) {
  bool is_whole = true;
  for (const Values values : {Values::ordinary, Values::odd}) {
    const auto tables = stage.new_tables(Records::as_built, values);
    is_whole = live_long(stage, *tables) && is_whole;
  }
  warn_of_time(stage, is_whole);
  Observations& seen = stage.seen();
  return judge_publications(seen.publications(), stage.report()) + "; " +
         judge_lines(seen.lines(), seen.callbacks(), stage.report()) + ", " +
         judge_metrics(seen.metrics(), stage.report());
}

std::string show_times(Stage& stage) {
  const auto tables = stage.new_tables(Records::as_built, Values::ordinary);
  warn_of_time(stage, live_long(stage, *tables));
  CheckReport& report = stage.report();
  std::string summary;
  const auto times = stage.seen().times_ns();
  for (const std::string callback : {"create", "restore", "start", "on_commit", "save", "stop", "destroy"}) {
    const auto found = times.find(callback);
    if (found == times.end()) continue;
    const auto& times_ns = found->second;
    const std::int64_t median_ns = quantile_ns(times_ns, 0.5);
    const std::int64_t max_ns = quantile_ns(times_ns, 1);
    report.measure(callback, {{"count", times_ns.size()}, {"median_ns", median_ns}, {"max_ns", max_ns}});
    report.note(callback + ": " + std::to_string(times_ns.size()) + " calls, median " +
                duration_text(median_ns) + ", longest " + duration_text(max_ns));
    if (callback == "on_commit")
      summary = "on_commit takes " + duration_text(median_ns) + ", at most " + duration_text(max_ns);
    if (median_ns > slow_median_ns || max_ns > slow_max_ns) {
      report.warn(
          callback + " is slow: median " + duration_text(median_ns) + ", longest " + duration_text(max_ns),
          "a slow reader sees fewer, larger steps, and holds a version back for as long");
    }
  }
  return summary.empty() ? "no step was made" : summary;
}

}  // namespace

void check_output(CheckContext& context) { run_on_stage(context, show_output); }
void check_callbacks(CheckContext& context) { run_on_stage(context, show_times); }

}  // namespace perch::check
