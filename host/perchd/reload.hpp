// Reload: from the config that a host runs with to the one that its file has now.
#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"
#include "config/config.hpp"
#include "ingest/ingest.hpp"
#include "tables/catalog.hpp"

namespace perch {

/// Which of a list's elements come, go, and are there before and after as something else.
struct ChangedNames {
  std::vector<std::string> added, removed, changed;
  bool any() const noexcept { return !added.empty() || !removed.empty() || !changed.empty(); }
};

/// What a reload changes. Empty everywhere: nothing.
struct ReloadPlan {
  ingest::IngestChange ingest;
  ChangedNames sources;
  ChangedNames readers;
  bool changes_commit = false;
  bool changes_log_level = false;
};

/// Compares. What cannot change while the host runs is an error with one detail per point; then nothing of
/// the plan is to be carried out. `catalog`: the running tables.
Result<ReloadPlan> plan_reload(const Config& running, const Config& wanted, const tables::Catalog& catalog);

}  // namespace perch
