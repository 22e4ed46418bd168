// perch-feed: a stream to try things with: this machine's own telemetry, or simulated trades.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <map>
#include <string>

#include "base/units.hpp"
#include "feed/market.hpp"
#include "feed/system.hpp"

namespace {

constexpr int usage_status = 2;

CLI::Option* add_duration(CLI::App& command, const std::string& name, std::chrono::nanoseconds& value,
                          const std::string& description) {
  const auto parse = [&value](const std::string& text) {
    const auto duration = perch::parse_duration(text);
    if (!duration) throw CLI::ValidationError(duration.error().message);
    if (duration->count() <= 0)
      throw CLI::ValidationError("\"" + text + "\" is no interval; it must be more than 0");
    value = *duration;
  };
  return command.add_option_function<std::string>(name, parse, description)->type_name("DURATION");
}

void add_rows(CLI::App& command, perch::feed::SystemRows& value) {
  using perch::feed::SystemRows;
  const auto parse = [&value](const std::string& text) {
    const std::map<std::string, SystemRows> names{
        {"processes", SystemRows::processes}, {"cpus", SystemRows::cpus}, {"memory", SystemRows::memory}};
    const auto found = names.find(text);
    if (found == names.end()) {
      throw CLI::ValidationError("\"" + text + "\" are no rows of this feed; use processes, cpus or memory");
    }
    value = found->second;
  };
  command
      .add_option_function<std::string>("--what", parse, "Which rows: processes (default), cpus or memory")
      ->type_name("ROWS");
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("A stream of rows as NDJSON on standard output.", "perch-feed");
  app.set_version_flag("--version", "perch-feed " PERCH_VERSION);
  app.require_subcommand(1);

  perch::feed::SystemOptions system;
  CLI::App& system_command =
      *app.add_subcommand("system", "This machine's own telemetry, sampled from /proc.");
  add_duration(system_command, "--every", system.every, "Time between two samples (200ms)");
  system_command.add_option("--count", system.count, "End after so many samples (0: never)");
  add_rows(system_command, system.rows);

  perch::feed::MarketOptions market;
  CLI::App& market_command = *app.add_subcommand(
      "market",
      "Simulated trades of 50 invented symbols. The same seed and rate give the same bytes everywhere.");
  market_command.add_option("--rate", market.rate, "Rows per second on average (0: as fast as it goes)")
      ->check(CLI::Range(std::uint64_t{0}, std::uint64_t{100'000'000}))
      ->required();
  market_command.add_option("--seed", market.seed, "Seed of the simulation (1)");
  market_command.add_option("--count", market.count, "End after so many rows (0: never)");

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : usage_status;
  }
  if (system_command.parsed()) {
    run_system(system);
  } else {
    std::fputs("perch-feed: simulated trades, no real market\n", stderr);
    run_market(market);
  }
  return 0;
}
