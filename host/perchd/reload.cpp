#include "perchd/reload.hpp"

#include <algorithm>

#include "config/differences.hpp"

namespace perch {
namespace {

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

/// An element that has changed in several fields counts once.
void note(const Difference& difference, ChangedNames& names) {
  std::vector<std::string>& list = difference.kind == Difference::Kind::added     ? names.added
                                   : difference.kind == Difference::Kind::removed ? names.removed
                                                                                  : names.changed;
  if (!contains(list, difference.element)) list.push_back(difference.element);
}

/// What the differences come to. `refused`: what cannot be, a detail each.
struct Findings {
  ReloadPlan plan;
  std::vector<std::string> added_tables;
  std::vector<std::string> refused;

  void take(const Difference& difference) {
    switch (difference.rule) {
      case ReloadRule::fixed:
        refused.push_back(difference.message);
        return;
      case ReloadRule::adds_table:
        take_table(difference);
        return;
      case ReloadRule::sets_log_level:
        plan.changes_log_level = true;
        return;
      case ReloadRule::sets_commit:
        plan.changes_commit = true;
        return;
      case ReloadRule::restarts_source:
        note(difference, plan.sources);
        return;
      case ReloadRule::changes_reader:
        note(difference, plan.readers);
        return;
    }
  }

  void take_table(const Difference& difference) {
    if (difference.kind == Difference::Kind::added) {
      added_tables.push_back(difference.element);
    } else {
      refused.push_back(difference.place + " is left out: a table cannot be removed while the host runs");
    }
  }
};

/// The new ones, in the file's order.
Result<std::vector<tables::TablePtr>> make_tables(const std::vector<std::string>& added, const Config& wanted,
                                                  const tables::Catalog& catalog) {
  std::vector<tables::TableSpec> specs;
  for (const auto& spec : wanted.tables) {
    if (contains(added, spec.name)) specs.push_back(spec);
  }
  return catalog.make_more(specs);
}

ingest::IngestChange change_of_ingest(const ChangedNames& sources, const ingest::IngestSpec& wanted) {
  ingest::IngestChange change;
  change.remove_sources = sources.removed;
  change.remove_sources.insert(change.remove_sources.end(), sources.changed.begin(), sources.changed.end());
  for (const auto& source : wanted.sources) {
    if (contains(sources.added, source.name) || contains(sources.changed, source.name))
      change.add_sources.push_back(source);
  }
  change.commit_max_rows = wanted.commit_max_rows;
  change.commit_max_delay = wanted.commit_max_delay;
  return change;
}

}  // namespace

Result<ReloadPlan> plan_reload(const Config& running, const Config& wanted, const tables::Catalog& catalog) {
  Findings findings;
  for (const Difference& difference : config_differences(running, wanted)) findings.take(difference);
  ReloadPlan& plan = findings.plan;
  plan.ingest = change_of_ingest(plan.sources, wanted.ingest);
  if (findings.refused.empty()) {
    auto made = make_tables(findings.added_tables, wanted, catalog);
    if (made) {
      plan.ingest.add_tables = std::move(*made);
    } else {
      findings.refused.push_back(made.error().message);
    }
  }
  if (!findings.refused.empty()) {
    return fail(ErrorKind::refused,
                "the config cannot be taken over while the host runs, nothing was changed", findings.refused);
  }
  return std::move(plan);
}

}  // namespace perch
