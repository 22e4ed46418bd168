// What a reader can do with a snapshot: the C functions of perch_host that read, over the tree's read side.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "perch/plugin.h"
#include "reading/rule_breaches.hpp"
#include "tables/catalog.hpp"
#include "tree/snapshot.hpp"

namespace perch::reading {

/// The host's tables in the order of a plugin's manifest, for one instance, or as a process that reads wants
/// them. Any thread.
class BoundTables {
 public:
  /// `reader`: whose breaches of the rules are told.
  BoundTables(std::vector<tables::TablePtr> bound, std::string reader)
      : tables_(std::move(bound)), breaches_(std::move(reader)) {}
  /// Null when the plugin has no table of that index.
  const tables::Table* find(std::uint32_t index) const noexcept {
    return index < tables_.size() ? tables_[index].get() : nullptr;
  }
  const RuleBreaches& breaches() const noexcept { return breaches_; }

 private:
  std::vector<tables::TablePtr> tables_;
  const RuleBreaches breaches_;
};

/// Sets the reading members of `host`.
void fill_snapshot_functions(perch_host& host) noexcept;

}  // namespace perch::reading

/// One version as an instance sees it. Its address stays the same as long as the plugin may use it, and the
/// memory there stays a perch_snapshot as long as the instance: so a dead one can be told.
struct perch_snapshot {
  static constexpr std::uint64_t alive = 0x746f6873'68637270;  // tells one from any other memory, too
  static constexpr std::uint64_t dead = 0x64616564'68637270;

  perch::tree::Snapshot view;
  const perch::reading::BoundTables* tables = nullptr;
  std::uint64_t tag = alive;
};
