// Configs that the schema allows: each is accepted, or refused as a bad config with a message that helps.
#include "base/text.hpp"
#include "check/config_samples.hpp"
#include "check/plugin_life.hpp"
#include "plugin/config_schema.hpp"

namespace perch::check {
namespace {

struct Counts {
  std::uint64_t accepted = 0;
  std::uint64_t refused = 0;
};

void judge_refusal(const SampleConfig& config, const Error& error, CheckReport& report) {
  const std::string which = config.json.substr(0, 300) + " (" + config.what + "): " + error.message;
  if (error.kind != ErrorKind::usage) {
    report.fail(
        "create failed for a config that the schema allows, and did not say that the config is bad: " + which,
        "give PERCH_BAD_CONFIG (in C++ throw perch::BadConfig): else the host tries again and again");
  } else if (error.message.find("without a message") != std::string::npos) {
    report.fail("create refused a config without a word: " + which,
                "say which member is wrong, and what it may be");
  } else if (config.is_recommended) {
    report.warn("create refused what the schema itself names: " + which, "mend the schema, or accept it");
  } else {
    report.note("refused: " + which);
  }
}

/// Whoever accepts a config must be able to work with it.
void try_config(Stage& stage, SampleTables& tables, const SampleConfig& config, Counts& counts) {
  PluginLife life(stage, tables, config.what, OnError::keep);
  life.create(config.json);
  if (life.has_failed()) {
    ++counts.refused;
    return judge_refusal(config, *life.failure(), stage.report());
  }
  ++counts.accepted;
  life.start();
  life.step();
  life.save();
  life.end();
  if (life.has_failed()) {
    stage.report_failure("accepted config " + config.json.substr(0, 300), *life.failure());
  }
}

void judge_given_config(Stage& stage) {
  if (const auto fits = plugin::check_config(stage.manifest(), stage.config()); !fits) {
    stage.report().fail("the config given does not fit the plugin's schema: " + full_text(fits.error()),
                        "the host would refuse it before the plugin sees it");
  }
}

std::string try_all_configs(Stage& stage) {
  CheckReport& report = stage.report();
  judge_given_config(stage);
  const auto tables = stage.new_tables();
  tables->insert_everywhere(20);
  tables->commit();
  SampleValues random(stage.options().seed);
  const auto configs = sample_configs(stage.manifest(), random);
  Counts counts;
  std::size_t tried = 0;
  for (; tried < configs.size() && !stage.context().is_time_over(); ++tried) {
    try_config(stage, *tables, configs[tried], counts);
  }
  if (tried < configs.size()) {
    report.warn("there was time for " + std::to_string(tried) + " of " + std::to_string(configs.size()) +
                    " configs only",
                "give --deadline");
  }
  report.measure("accepted", counts.accepted);
  report.measure("refused", counts.refused);
  return std::to_string(tried) + " configs from its schema: " + std::to_string(counts.accepted) +
         " accepted, " + std::to_string(counts.refused) + " refused";
}

}  // namespace

void check_config(CheckContext& context) { run_on_stage(context, try_all_configs); }

}  // namespace perch::check
