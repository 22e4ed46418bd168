// Reload: from the config that a host runs with to the one that its file has now.
#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"
#include "config/config.hpp"
#include "ingest/ingest.hpp"
#include "tables/catalog.hpp"

namespace perch {

/// What a reload changes, by name. Empty everywhere: nothing.
struct ReloadPlan {
  ingest::IngestChange ingest;
  std::vector<std::string> changed_sources;  ///< both removed and added
  bool changes_commit = false;
  bool changes_readers = false;
  bool changes_log_level = false;
};

/// Compares. What cannot change while the host runs is an error with one detail per point; then nothing of
/// the plan is to be carried out. `catalog`: the running tables.
Result<ReloadPlan> plan_reload(const Config& running, const Config& wanted, const tables::Catalog& catalog);

}  // namespace perch
