#include "check/long_life.hpp"

namespace perch::check {
namespace {

constexpr int steps_each = 50;

/// False: the time is over, or it has failed.
bool make_steps(Stage& stage, SampleTables& tables, PluginLife& life) {
  for (int step = 0; step < steps_each; ++step) {
    if (life.has_failed() || stage.context().is_time_over()) return false;
    tables.change(stage.options().rows / 50 + 1);
    tables.commit();
    life.step();
  }
  return true;
}

}  // namespace

bool live_long(Stage& stage, SampleTables& tables) {
  tables.insert_everywhere(stage.options().rows);
  tables.commit();
  PluginLife old(stage, tables, "a long life");
  old.begin();
  const bool is_first_half_done = make_steps(stage, tables, old);
  const auto state = old.save();
  if (old.has_failed()) return true;
  PluginLife next(stage, tables, "a long life, taken over");
  next.take_over(state);
  old.end();
  return make_steps(stage, tables, next) && is_first_half_done;
}

}  // namespace perch::check
