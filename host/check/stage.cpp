#include "check/stage.hpp"

#include "base/assert.hpp"
#include "check/config_samples.hpp"
#include "check/loaded_plugin.hpp"

namespace perch::check {

Stage::Stage(CheckContext& context, const plugin::PluginLibrary& library)
    : context_(context),
      library_(library),
      config_(context.options.config.value_or(least_config(library.manifest()))) {}

std::unique_ptr<SampleTables> Stage::new_tables(Records records, Values values) const {
  auto tables = SampleTables::make(manifest(), records, values, options().seed);
  PERCH_ASSERT(tables.has_value(), "tables that the check of the manifest let through");
  return std::move(*tables);
}

WatchedHost& Stage::new_host() {
  const std::lock_guard lock(mutex_);
  hosts_.push_back(std::make_unique<WatchedHost>(manifest().id, events_, seen_));
  return *hosts_.back();
}

void Stage::report_failure(const std::string& life, const Error& error) {
  const std::lock_guard lock(mutex_);
  if (failures_[error.message]++ == 0) report().fail(error.message + " (" + life + ")");
}

void Stage::report_repetitions() {
  const std::lock_guard lock(mutex_);
  for (const auto& [message, count] : failures_) {
    if (count > 1) report().note("so it went " + std::to_string(count) + " times: " + message);
  }
}

void run_on_stage(CheckContext& context, const std::function<std::string(Stage&)>& play) {
  const auto library = load_plugin(context);
  if (library == nullptr) return context.report.done("it was not loaded");
  Stage stage(context, *library);
  const std::string summary = play(stage);
  stage.report_repetitions();
  unload_plugin(context, *library);
  context.report.done(summary);
}

}  // namespace perch::check
