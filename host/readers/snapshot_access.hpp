// What a plugin can do with a snapshot: the C functions of perch_host that read, over the tree's read side.
#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "perch/plugin.h"
#include "readers/manifest.hpp"
#include "tables/catalog.hpp"
#include "tree/snapshot.hpp"

namespace perch::readers {

/// The host's tables in the order of a plugin's manifest, for one instance. Any thread.
class BoundTables {
 public:
  /// The manifest has been checked against the catalog.
  BoundTables(const Manifest& manifest, const tables::Catalog& catalog, std::string reader);
  /// Null, and one line in the log, when the plugin has no table of that index.
  const tables::Table* find(std::uint32_t index) const noexcept;
  /// Says once per instance that the plugin broke the rules of the interface: a flood would help nobody.
  void complain(const char* what) const noexcept;

 private:
  std::vector<tables::TablePtr> tables_;
  std::string reader_;
  mutable std::atomic<bool> complained_{false};
};

/// Sets the reading members of `host`.
void fill_snapshot_functions(perch_host& host) noexcept;

}  // namespace perch::readers

/// One version as an instance sees it. Its address stays the same as long as the plugin may use it.
struct perch_snapshot {
  perch::tree::Snapshot view;
  const perch::readers::BoundTables* tables = nullptr;
};
