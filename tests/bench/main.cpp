// perch_bench: perch's tree beside other ordered stores, in one run, each repetition taking turns.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <fstream>
#include <iostream>

#include "report.hpp"
#include "workload.hpp"

namespace {

using namespace perch::bench;

struct Options {
  std::uint64_t rows = 1'000'000;
  std::uint64_t repeat = 5;
  std::vector<std::string> filters;
  std::vector<std::string> engines;
  std::string json_file;
};

bool is_chosen(const std::string& name, const std::vector<std::string>& filters) {
  return std::any_of(filters.begin(), filters.end(),
                     [&](const std::string& filter) { return name.find(filter) != std::string::npos; });
}

std::vector<const Workload*> choose_workloads(const Options& options) {
  std::vector<const Workload*> chosen;
  for (const Workload& workload : workloads())
    if (options.filters.empty() ? !workload.on_request : is_chosen(workload.name, options.filters))
      chosen.push_back(&workload);
  return chosen;
}

std::vector<const EngineKind*> choose_engines(const Options& options) {
  std::vector<const EngineKind*> chosen;
  for (const EngineKind& kind : engine_kinds())
    if (options.engines.empty() || std::count(options.engines.begin(), options.engines.end(), kind.name))
      chosen.push_back(&kind);
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
        if (workload->needs_snapshots && !engine->kind().has_snapshots) continue;
        for (const Measurement& measurement : workload->run(*engine, pass))
          report.add(workload->name, measurement.unit, engine->kind().name, measurement.value);
      }
    }
  }
  return report;
}

std::string names_of_workloads() {
  std::string names = "Workloads:";
  for (const Workload& workload : workloads())
    names += " " + workload.name + (workload.on_request ? "*" : "");
  return names + "   (* only when named: takes much memory)";
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("Measures perch's tree beside other ordered stores: medians, and what they are of perch's.");
  app.footer(names_of_workloads());
  app.add_option("--filter", options.filters, "Only workloads whose name contains one of these texts")
      ->delimiter(',');
  app.add_option("--engine", options.engines, "Only these engines")->delimiter(',');
  app.add_option("--rows", options.rows, "Rows of the data")
      ->capture_default_str()
      ->check(CLI::Range(1000, 100'000'000));
  app.add_option("--repeat", options.repeat, "Repetitions; the median counts")
      ->capture_default_str()
      ->check(CLI::Range(1, 1000));
  app.add_option("--json", options.json_file,
                 "Also write an object a line: workload, engine, rows, value, unit");
  CLI11_PARSE(app, argc, argv);

  const auto chosen = choose_workloads(options);
  const auto kinds = choose_engines(options);
  if (chosen.empty() || kinds.empty()) {
    std::cerr << "nothing to measure: no such workload or engine. " << names_of_workloads() << "\n";
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
  for (const std::string& missing : missing_engines()) std::cerr << "without engine " << missing << "\n";
  const Report report = measure(chosen, kinds, options);
  std::cout << report.table();
  if (json.is_open()) {
    json << report.json_lines(options.rows) << std::flush;
    if (!json) {
      std::cerr << "writing " << options.json_file << " failed\n";
      return 1;
    }
  }
  return 0;
}
