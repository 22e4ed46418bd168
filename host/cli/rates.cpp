#include "cli/rates.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/text_table.hpp"
#include "base/units.hpp"
#include "cli/human_text.hpp"

namespace perch::cli {
namespace {

/// 1,234 or 0.25: small rates are not lost.
std::string rate_text(const Json& rate) {
  const double value = rate.get<double>();
  return value >= 10 || value == 0 ? grouped_text(static_cast<std::uint64_t>(value + 0.5))
                                   : rounded_text(value);
}

/// The member of an array with this name; null when there is none.
const Json* find_named(const Json& list, const Json& name) {
  const auto found =
      std::find_if(list.begin(), list.end(), [&](const Json& one) { return one.at("name") == name; });
  return found == list.end() ? nullptr : &*found;
}

/// How much a counter grew per second. One that is smaller began anew.
double per_second(const Json* before, const Json& now, const char* member, double seconds) {
  const auto value = now.at(member).get<double>();
  const double base = before ? before->at(member).get<double>() : 0;
  return (value >= base ? value - base : value) / seconds;
}

Json durations_json(const Json* before, const Json& now, const char* member) {
  const RecentDurations recent(before ? before->at(member) : Json::array(), now.at(member));
  return {{"count", recent.count()},
          {"p50_ns", recent.quantile_ns(0.5)},
          {"p99_ns", recent.quantile_ns(0.99)},
          {"max_ns", recent.quantile_ns(1)},
          {"shape", recent.shape()}};
}

Json source_rates(const Json* before, const Json& now, double seconds) {
  return {{"name", now.at("name")},
          {"rows_per_s", per_second(before, now, "rows", seconds)},
          {"bytes_per_s", per_second(before, now, "bytes", seconds)},
          {"rejects_per_s", per_second(before, now, "rejects", seconds)},
          {"latency", durations_json(before, now, "latency_histogram")}};
}

Json table_rates(const Json* before, const Json& now, double seconds) {
  const double rows_before = before ? before->at("rows").get<double>() : 0;
  return {{"name", now.at("name")},
          {"rows", now.at("rows")},
          {"growth_per_s", (now.at("rows").get<double>() - rows_before) / seconds},
          {"evicted_per_s", per_second(before, now, "evicted_rows", seconds)}};
}

Json reader_rates(const Json* before, const Json& now, double seconds, std::uint64_t published) {
  const auto version = now.at("version").get<std::uint64_t>();
  return {{"name", now.at("name")},
          {"steps_per_s", per_second(before, now, "steps", seconds)},
          {"cpu_share", per_second(before, now, "cpu_ns", seconds) / 1e9},
          {"behind", published > version ? published - version : 0}};
}

std::string commits_text(const Json& rates) {
  const Json& commits = rates.at("commits");
  const Json& gaps = commits.at("gaps");
  return "commits   " + rate_text(commits.at("per_s")) + "/s, " + rate_text(commits.at("rows_per_s")) +
         " rows/s, " + rate_text(commits.at("rows_per_commit")) + " rows each; gaps p50 " +
         duration_text(gaps.at("p50_ns")) + ", p99 " + duration_text(gaps.at("p99_ns")) + ", max " +
         duration_text(gaps.at("max_ns")) + "  " + gaps.at("shape").get<std::string>() + "\n";
}

std::string memory_text(const Json& status) {
  const Json& memory = status.at("memory");
  const Json& process = status.at("process");
  std::string text = "memory    " + size_text(memory.at("live_bytes")) + " live, " +
                     size_text(memory.at("retained_bytes")) + " retained, " +
                     size_text(memory.at("free_bytes")) + " free, " +
                     size_text(memory.at("committed_bytes")) + " of " +
                     size_text(memory.at("reserved_bytes")) + "; " + size_text(process.at("heap_bytes")) +
                     " beside it, " + count_text(process.at("descriptors")) + " descriptors\n";
  if (status.at("commits").at("out_of_room").get<bool>())
    text += "FULL      " + exact_text(status.at("commits").at("out_of_room_reason")) + "\n";
  for (const Json& reason : status.at("degraded")) text += "DEGRADED  " + exact_text(reason) + "\n";
  return text;
}

std::string sources_rates(const Json& status, const Json& rates) {
  TextTable table({{"SOURCE"},
                   {"STATE"},
                   {"ROWS/S", Align::right},
                   {"BYTES/S", Align::right},
                   {"REJECTS/S", Align::right},
                   {"QUEUE", Align::right},
                   {"BEHIND", Align::right},
                   {"TO COMMIT p50", Align::right},
                   {"p99", Align::right},
                   {"max", Align::right},
                   {"100ns..10s"}});
  for (const Json& rate : rates.at("sources")) {
    const Json& source = *find_named(status.at("sources"), rate.at("name"));
    const Json& latency = rate.at("latency");
    table.add_row({exact_text(rate.at("name")), exact_text(source.at("state")),
                   rate_text(rate.at("rows_per_s")),
                   format_size(static_cast<std::uint64_t>(rate.at("bytes_per_s").get<double>())),
                   rate_text(rate.at("rejects_per_s")),
                   exact_text(source.at("queued_batches")) + "/" + exact_text(source.at("queue_capacity")),
                   size_text(source.at("lag_bytes")), duration_text(latency.at("p50_ns")),
                   duration_text(latency.at("p99_ns")), duration_text(latency.at("max_ns")),
                   latency.at("shape").get<std::string>()});
  }
  return table.empty() ? "no sources\n" : table.text();
}

std::string tables_rates(const Json& status, const Json& rates) {
  TextTable table({{"TABLE"},
                   {"ROWS", Align::right},
                   {"GROWS/S", Align::right},
                   {"EVICTED/S", Align::right},
                   {"LATE", Align::right}});
  for (const Json& rate : rates.at("tables")) {
    const Json& one = *find_named(status.at("tables"), rate.at("name"));
    const double growth = rate.at("growth_per_s").get<double>();
    table.add_row({exact_text(rate.at("name")), count_text(rate.at("rows")),
                   (growth < 0 ? "-" : "") + rate_text(std::abs(growth)), rate_text(rate.at("evicted_per_s")),
                   one.contains("late_rows") ? count_text(one.at("late_rows")) : "-"});
  }
  return table.empty() ? "no tables\n" : table.text();
}

std::string readers_rates(const Json& status, const Json& rates) {
  TextTable table({{"READER"},
                   {"PLUGIN"},
                   {"STATE"},
                   {"STEPS/S", Align::right},
                   {"BEHIND", Align::right},
                   {"CPU", Align::right},
                   {"STEP p50", Align::right},
                   {"p99", Align::right},
                   {"max", Align::right}});
  for (const Json& rate : rates.at("readers")) {
    const Json& reader = *find_named(status.at("readers"), rate.at("name"));
    table.add_row({exact_text(rate.at("name")),
                   exact_text(reader.at("plugin")) + " " + exact_text(reader.at("plugin_version")),
                   exact_text(reader.at("state")), rate_text(rate.at("steps_per_s")),
                   count_text(rate.at("behind")) + " v",
                   rounded_text(std::round(rate.at("cpu_share").get<double>() * 1000) / 10) + " %",
                   duration_text(reader.at("callback_p50_ns")), duration_text(reader.at("callback_p99_ns")),
                   duration_text(reader.at("callback_max_ns"))});
  }
  return table.empty() ? "no readers\n" : table.text();
}

}  // namespace

RecentDurations::RecentDurations(const Json& before, const Json& now) {
  for (const Json& bucket : now) {
    const auto end = bucket.at(0).get<std::int64_t>();
    auto count = bucket.at(1).get<std::uint64_t>();
    for (const Json& old : before) {
      if (old.at(0) == bucket.at(0)) count -= std::min(count, old.at(1).get<std::uint64_t>());
    }
    if (count == 0) continue;
    counts_.emplace_back(end, count);
    count_ += count;
  }
}

std::int64_t RecentDurations::quantile_ns(double share) const {
  const auto wanted =
      std::max<std::uint64_t>(1, static_cast<std::uint64_t>(std::ceil(share * static_cast<double>(count_))));
  std::uint64_t seen = 0;
  for (const auto& [end, count] : counts_) {
    seen += count;
    if (seen >= wanted) return end;
  }
  return 0;
}

std::string RecentDurations::shape() const {
  constexpr std::array<const char*, 9> levels{" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  constexpr std::size_t decades = 8;  // up to 1 µs, 10 µs … 10 s
  std::array<std::uint64_t, decades> spread{};
  for (const auto& [end, count] : counts_) {
    std::size_t decade = 0;
    for (std::int64_t limit = 1000; decade + 1 < decades && end > limit; limit *= 10) ++decade;
    spread[decade] += count;
  }
  const std::uint64_t highest = *std::max_element(spread.begin(), spread.end());
  std::string text;
  for (const std::uint64_t count : spread)
    text += levels[highest == 0 ? 0 : (count * (levels.size() - 1) + highest - 1) / highest];
  return text;
}

Json rates_between(const Json& before, const Json& now) {
  const double seconds =
      std::max(1e-3, (now.at("uptime_ns").get<double>() - before.at("uptime_ns").get<double>()) / 1e9);
  const auto lists = [&](const char* member, auto rates_of) {
    Json list = Json::array();
    for (const Json& one : now.at(member))
      list.push_back(rates_of(find_named(before.at(member), one.at("name")), one));
    return list;
  };
  const Json& commits = now.at("commits");
  const double commits_per_s = per_second(&before, now, "published_version", seconds);
  const double rows_per_s = per_second(&before.at("commits"), commits, "rows", seconds);
  const auto published = now.at("published_version").get<std::uint64_t>();
  return {
      {"seconds", seconds},
      {"commits",
       {{"per_s", commits_per_s},
        {"rows_per_s", rows_per_s},
        {"rows_per_commit", commits_per_s > 0 ? rows_per_s / commits_per_s : 0},
        {"gaps", durations_json(&before.at("commits"), commits, "gap_histogram")}}},
      {"sources",
       lists("sources", [&](const Json* old, const Json& one) { return source_rates(old, one, seconds); })},
      {"tables",
       lists("tables", [&](const Json* old, const Json& one) { return table_rates(old, one, seconds); })},
      {"readers",
       lists("readers",
             [&](const Json* old, const Json& one) { return reader_rates(old, one, seconds, published); })},
      {"memory", now.at("memory")},
      {"process", now.at("process")}};
}

std::string rates_text(const Json& status, const Json& rates) {
  return "perch     " + exact_text(status.at("name")) + ", perchd " + exact_text(status.at("version")) +
         ", up " + duration_text(status.at("uptime_ns")) + ", version " +
         count_text(status.at("published_version")) + ", " + count_text(status.at("commits").at("rows")) +
         " rows\n" + commits_text(rates) + memory_text(status) + "\n" + sources_rates(status, rates) + "\n" +
         tables_rates(status, rates) + "\n" + readers_rates(status, rates);
}

}  // namespace perch::cli
