// The host's config file: read, checked against what the host knows, turned into the layers' own specs.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "ingest/ingest.hpp"
#include "readers/readers_spec.hpp"
#include "tables/catalog.hpp"
#include "tree/store.hpp"

namespace perch {

struct ControlSpec {
  std::filesystem::path socket;  ///< default <run_dir>/perch.sock
  unsigned mode = 0660;
  std::vector<std::pair<std::string, gid_t>>
      groups;  ///< whose members may change the host, besides its owner
  bool others_may_look = true;
};

struct Config {
  std::string name = "perch";
  std::filesystem::path run_dir;  ///< created when missing
  std::string log_level = "info";
  tree::StoreOptions store;
  std::vector<tables::TableSpec> tables;
  ingest::IngestSpec ingest;
  readers::ReadersSpec readers;
  ControlSpec control;
};

/// Errors are one message with the file, the place (a path such as tables.trades.retain.rows) and, for an
/// unknown name, the nearest valid one. `program_folder`: where `command` programs are also looked up (beside
/// perchd).
Result<Config> read_config(const std::filesystem::path& file, const std::filesystem::path& program_folder);

}  // namespace perch
