// The life of an instance, in every order that the interface allows, over tables made from the plugin's
// manifest.
#include "check/plugin_life.hpp"
#include "check/sample_tables.hpp"

namespace perch::check {
namespace {

/// One order of calls. `rows`: how many the tables get where it fills them.
struct Play {
  const char* name;
  void (*run)(Stage& stage, SampleTables& tables, const std::string& name, std::uint64_t rows);
};

using Name = const std::string&;

void commit_changes(SampleTables& tables, std::uint64_t rows) {
  tables.change(rows / 10 + 1);
  tables.commit();
}

/// Its first step sees all rows, from version 0.
void begin_over_rows(PluginLife& life, SampleTables& tables, std::uint64_t rows) {
  tables.insert_everywhere(rows);
  tables.commit();
  life.begin();
  life.step();
}

void create_destroy(Stage& stage, SampleTables& tables, Name name, std::uint64_t) {
  PluginLife life(stage, tables, name);
  life.create();
  life.destroy();
}

void start_stop(Stage& stage, SampleTables& tables, Name name, std::uint64_t) {
  PluginLife life(stage, tables, name);
  life.begin();
  life.end();
}

void save_before_any_step(Stage& stage, SampleTables& tables, Name name, std::uint64_t) {
  PluginLife life(stage, tables, name);
  life.begin();
  const auto state = life.save();
  life.end();
  if (life.has_failed()) return;
  PluginLife next(stage, tables, name + ", taken over");
  next.take_over(state);
  next.step();
  next.end();
}

void steps_over_empty_tables(Stage& stage, SampleTables& tables, Name name, std::uint64_t) {
  PluginLife life(stage, tables, name);
  life.begin();
  for (int commit = 0; commit < 3; ++commit) {
    tables.commit();
    life.step();
  }
  life.save();
  life.end();
}

/// Each kind of step that there is, the first one from version 0 with all rows.
void all_kinds_of_steps(Stage& stage, SampleTables& tables, Name name, std::uint64_t rows) {
  PluginLife life(stage, tables, name);
  begin_over_rows(life, tables, rows);
  for (int commit = 0; commit < 5; ++commit) {  // a commit each
    commit_changes(tables, rows);
    life.step();
  }
  tables.commit();  // one in which nothing changed
  life.step();
  for (int commit = 0; commit < 5; ++commit) commit_changes(tables, rows);  // several at once
  life.step();
  tables.clear_everywhere();  // all rows removed
  tables.commit();
  life.step();
  tables.insert_everywhere(rows);  // and back again
  tables.commit();
  life.step();
  life.save();
  life.end();
}

void save_in_between(Stage& stage, SampleTables& tables, Name name, std::uint64_t rows) {
  PluginLife life(stage, tables, name);
  life.begin();
  for (int round = 0; round < 3; ++round) {
    tables.insert_everywhere(rows / 10 + 1);
    tables.commit();
    life.step();
    life.save();
    life.save();
  }
  life.end();
}

/// A swap that is accepted: the old one is destroyed after the new one took over and made steps of its own.
void take_over(Stage& stage, SampleTables& tables, Name name, std::uint64_t rows) {
  PluginLife old(stage, tables, name + ", the old one");
  begin_over_rows(old, tables, rows);
  PluginLife next(stage, tables, name + ", the new one");
  next.create();
  const auto state = old.save();
  if (old.has_failed()) return;
  commit_changes(tables, rows);
  next.restore(state);
  next.start();
  next.step();
  old.end();
  commit_changes(tables, rows);
  next.step();
  next.save();
  next.end();
}

/// A swap that is rolled back: the old one goes on from where it saved.
void roll_back(Stage& stage, SampleTables& tables, Name name, std::uint64_t rows) {
  PluginLife old(stage, tables, name + ", the old one");
  begin_over_rows(old, tables, rows);
  const auto state = old.save();
  if (old.has_failed()) return;
  PluginLife next(stage, tables, name + ", the new one");
  next.take_over(state);
  commit_changes(tables, rows);
  next.step();
  next.end();
  commit_changes(tables, rows);
  old.step();
  old.save();
  old.end();
}

/// A swap that is given up before the new one starts.
void restore_without_start(Stage& stage, SampleTables& tables, Name name, std::uint64_t rows) {
  PluginLife old(stage, tables, name + ", the old one");
  begin_over_rows(old, tables, rows);
  const auto state = old.save();
  if (old.has_failed()) return;
  PluginLife next(stage, tables, name + ", the new one");
  next.create();
  next.restore(state);
  next.destroy();
  old.end();
}

/// Each table in turn is the only one without rows.
void a_table_without_rows(Stage& stage, SampleTables& tables, Name name, std::uint64_t rows) {
  PluginLife life(stage, tables, name);
  life.begin();
  for (std::size_t empty = 0; empty < tables.table_count(); ++empty) {
    tables.clear_everywhere();
    for (std::size_t table = 0; table < tables.table_count(); ++table) {
      if (table != empty) tables.insert(table, rows / 10 + 1);
    }
    tables.commit();
    life.step();
  }
  life.end();
}

constexpr Play plays[] = {
    {"created and destroyed", create_destroy},
    {"started and stopped", start_stop},
    {"saved before any step", save_before_any_step},
    {"steps over empty tables", steps_over_empty_tables},
    {"every kind of step", all_kinds_of_steps},
    {"saved in between", save_in_between},
    {"taken over", take_over},
    {"rolled back", roll_back},
    {"restored and not started", restore_without_start},
    {"a table without rows", a_table_without_rows},
};

/// False: there was no time for it.
bool run_play(const Play& play, Records records, Stage& stage) {
  if (stage.context().is_time_over()) return false;
  const bool is_grown = records == Records::grown;
  const std::string name = std::string(play.name) + (is_grown ? ", the host's records grown" : "");
  play.run(stage, *stage.new_tables(records), name, stage.options().rows);
  return true;
}

std::string run_all_plays(Stage& stage) {
  constexpr std::size_t wanted = 2 * std::size(plays);
  std::size_t played = 0;
  if (stage.config() != "{}") stage.report().note("with the config " + stage.config());
  for (const Play& play : plays) {
    for (const Records records : {Records::as_built, Records::grown}) {
      played += run_play(play, records, stage) ? 1 : 0;
    }
  }
  if (played < wanted) {
    stage.report().warn("there was time for " + std::to_string(played) + " of " + std::to_string(wanted) +
                            " orders only: its callbacks are slow",
                        "give --deadline, or fewer --rows");
  }
  return std::to_string(played) + " orders of calls, " + std::to_string(stage.seen().callbacks()) + " calls";
}

}  // namespace

void check_life_cycle(CheckContext& context) { run_on_stage(context, run_all_plays); }

}  // namespace perch::check
