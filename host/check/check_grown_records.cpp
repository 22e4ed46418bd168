// A host whose records have grown at the end since the plugin was built: it must read them all the same.
#include "check/plugin_life.hpp"

namespace perch::check {
namespace {

/// All that a plugin makes of the same rows.
struct Outcome {
  std::vector<WatchedHost::Publication> publications;
  std::string state;
  bool operator==(const Outcome&) const = default;
};

Outcome outcome_with(Stage& stage, Records records, const std::string& name) {
  const auto tables = stage.new_tables(records, Values::ordinary);
  PluginLife life(stage, *tables, name);
  tables->insert_everywhere(stage.options().rows);
  tables->commit();
  life.begin();
  life.step();
  for (int step = 0; step < 3; ++step) {
    tables->change(stage.options().rows / 10 + 1);
    tables->commit();
    life.step();
  }
  Outcome outcome;
  outcome.state = *life.save().bytes;
  outcome.publications = life.take_publications();
  return outcome;
}

std::string compare_records(Stage& stage) {
  const Outcome built = outcome_with(stage, Records::as_built, "records as it was built with");
  const Outcome again = outcome_with(stage, Records::as_built, "the same once more");
  const Outcome grown = outcome_with(stage, Records::grown, "the host's records grown");
  if (built != again) {
    stage.report().note(
        "the same rows gave other results the second time: whether grown records are read right is not "
        "to be seen");
    return "it runs with records that have grown";
  }
  if (built != grown) {
    stage.report().fail(
        "with the host's records grown at the end it makes something else of the same rows",
        "the next row lies value_stride bytes further on, not sizeof(row); copy rows field by field or "
        "with the plugin's own size");
  }
  return "the same results when the host's records have grown at the end";
}

}  // namespace

void check_grown_records(CheckContext& context) { run_on_stage(context, compare_records); }

}  // namespace perch::check
