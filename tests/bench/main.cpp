// perch_bench: perch's tree beside other ordered stores, in one run, each repetition taking turns.
#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <fstream>
#include <iostream>

#include "curve.hpp"
#include "report.hpp"
#include "stream_workload.hpp"
#include "workload.hpp"

namespace {

using namespace perch::bench;

struct Options {
  std::uint64_t rows = 1'000'000;
  std::uint64_t repeat = 5;
  bool all = false;
  bool curve = false;
  std::uint64_t rows_max = 100'000'000;
  std::vector<std::string> filters;
  std::vector<std::string> engines;
  std::string json_file;
};

bool contains(const std::string& name, const std::string& part) {
  return name.find(part) != std::string::npos;
}

std::string names_of_workloads() {
  std::string names = "Workloads:";
  for (const Workload& workload : workloads())
    names += " " + workload.name + (workload.on_request ? "*" : "");
  for (const StreamWorkload& workload : stream_workloads()) names += " " + workload.name + "+";
  return names +
         "   (* only when named, or with --all, and once: takes much time and memory; + only when named: "
         "whole "
         "hosts and servers, without the engines)";
}

std::string names_of_engines() {
  std::string names;
  for (const EngineKind& kind : engine_kinds()) names += (names.empty() ? "" : " ") + kind.name;
  return names;
}

/// The first filter or engine that names nothing, as a message; "" when all do.
std::string unknown_name(const Options& options) {
  const auto& all = workloads();
  for (const std::string& filter : options.filters) {
    const auto named = [&](const auto& workload) { return contains(workload.name, filter); };
    const auto& streams = stream_workloads();
    if (std::none_of(all.begin(), all.end(), named) && std::none_of(streams.begin(), streams.end(), named))
      return "no workload's name contains \"" + filter + "\". " + names_of_workloads();
  }
  const auto& kinds = engine_kinds();
  for (const std::string& engine : options.engines) {
    if (std::none_of(kinds.begin(), kinds.end(), [&](const EngineKind& kind) { return kind.name == engine; }))
      return "no engine \"" + engine + "\" here: " + names_of_engines();
  }
  return "";
}

std::vector<const Workload*> choose_workloads(const Options& options) {
  std::vector<const Workload*> chosen;
  for (const Workload& workload : workloads()) {
    const bool named =
        std::any_of(options.filters.begin(), options.filters.end(),
                    [&](const std::string& filter) { return contains(workload.name, filter); });
    if (options.filters.empty() ? options.all || !workload.on_request : named) chosen.push_back(&workload);
  }
  return chosen;
}

/// `by_default` is used when no engine is named; empty: all.
std::vector<const EngineKind*> choose_engines(std::vector<std::string> names, const std::string& by_default) {
  if (names.empty() && !by_default.empty()) names = {by_default};
  std::vector<const EngineKind*> chosen;
  for (const EngineKind& kind : engine_kinds())
    if (names.empty() || std::count(names.begin(), names.end(), kind.name)) chosen.push_back(&kind);
  return chosen;
}

Report measure(const std::vector<const Workload*>& chosen, const std::vector<const EngineKind*>& kinds,
               const Options& options) {
  std::vector<std::string> names;
  std::vector<std::unique_ptr<LoadedEngine>> engines;
  for (const EngineKind* kind : kinds) {
    std::cerr << "loading " << options.rows << " rows into " << kind->name << "\n";
    names.push_back(kind->name);
    engines.push_back(std::make_unique<LoadedEngine>(*kind, options.rows, ValueSize::bytes_32));
  }
  Report report(names);
  // Engines take turns within a repetition: whatever else the machine does meets them all alike.
  for (std::uint64_t pass = 0; pass < options.repeat; ++pass) {
    std::cerr << "repetition " << pass + 1 << " of " << options.repeat << "\n";
    for (const Workload* workload : chosen) {
      for (const auto& engine : engines) {
        if (!engine->kind().can(workload->needs)) continue;
        if (workload->on_request && pass > 0) continue;  // takes minutes; memory varies little
        for (const Measurement& measurement : workload->run(*engine, pass))
          report.add(workload->name, measurement.unit, engine->kind().name, measurement.value);
      }
    }
  }
  return report;
}

bool is_asked_for(const StreamWorkload& workload, const Options& options) {
  return std::any_of(options.filters.begin(), options.filters.end(),
                     [&](const std::string& filter) { return contains(workload.name, filter); });
}

/// Prints a table per workload, since the systems beside perch are others each time; returns the JSON lines.
std::string run_streams(const Options& options) {
  std::string lines;
  for (const StreamWorkload& workload : stream_workloads()) {
    if (!is_asked_for(workload, options)) continue;
    Report report(workload.engines);
    for (std::uint64_t pass = 0; pass < options.repeat; ++pass) {
      std::cerr << workload.name << ": repetition " << pass + 1 << " of " << options.repeat << "\n";
      workload.run(report, options.rows);
    }
    std::cout << report.table();
    lines += report.json_lines(options.rows);
  }
  return lines;
}

/// Prints the table; returns the JSON lines.
std::string run_workloads(const Options& options) {
  if (choose_workloads(options).empty()) return "";
  const auto kinds = choose_engines(options.engines, "");
  const Report report = measure(choose_workloads(options), kinds, options);
  std::cout << report.table();
  if (kinds.size() > 1 && kinds.front()->name == "perch")
    std::cout << "In brackets: how many times perch's number. Of times and bytes more is worse than perch, "
                 "of rates less.\n";
  return report.json_lines(options.rows);
}

void add_options(CLI::App& app, Options& options) {
  app.footer(names_of_workloads() + "\nEngines: " + names_of_engines());
  auto* const filter =
      app.add_option("--filter", options.filters, "Only workloads whose name contains one of these texts")
          ->delimiter(',');
  app.add_option("--engine", options.engines, "Only these engines")->delimiter(',');
  auto* const rows = app.add_option("--rows", options.rows, "Rows of the data")
                         ->capture_default_str()
                         ->check(CLI::Range(1000, 100'000'000));
  app.add_option("--repeat", options.repeat, "Repetitions; the median counts")
      ->capture_default_str()
      ->check(CLI::Range(1, 1000));
  app.add_option("--json", options.json_file,
                 "Also write an object a line: workload, engine, rows, value, unit");
  auto* const all = app.add_flag("--all", options.all, "Also the workloads that run only when named");
  auto* const curve =
      app.add_flag("--curve", options.curve,
                   "Instead: the cost per row from 1000 rows to --rows-max, of perch (or the engines named)")
          ->excludes(filter)
          ->excludes(rows)
          ->excludes(all);
  app.add_option("--rows-max", options.rows_max, "The curve's largest table")
      ->capture_default_str()
      ->check(CLI::Range(1000, 100'000'000))
      ->needs(curve);
}

}  // namespace

int main(int argc, char** argv) {
  spdlog::set_level(spdlog::level::warn);  // the hosts' own news would stand among the tables
  Options options;
  CLI::App app("Measures perch's tree beside other ordered stores: medians, and what they are of perch's.");
  add_options(app, options);
  CLI11_PARSE(app, argc, argv);

  for (const std::string& missing : missing_engines()) std::cerr << "without engine " << missing << "\n";
  if (const std::string message = unknown_name(options); !message.empty()) {
    std::cerr << message << "\n";
    return 2;
  }
  std::ofstream json;
  if (!options.json_file.empty()) {
    json.open(options.json_file);
    if (!json) {
      std::cerr << "cannot write " << options.json_file << "\n";
      return 1;
    }
  }
  const std::string lines = options.curve ? run_curve(choose_engines(options.engines, "perch"),
                                                      {options.rows_max, options.repeat}, std::cout)
                                          : run_workloads(options) + run_streams(options);
  if (json.is_open() && !(json << lines << std::flush)) {
    std::cerr << "writing " << options.json_file << " failed\n";
    return 1;
  }
  return 0;
}
