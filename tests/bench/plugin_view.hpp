// PluginView: a table of the bench as a reader plugin sees it, through the functions of perch_host.
#pragma once

#include <cstddef>

#include "perch/plugin.h"
#include "reading/snapshot_access.hpp"
#include "tables/catalog.hpp"
#include "tree/snapshot.hpp"

namespace perch::bench {

/// Of the store's first table, with a uint64 as key and `value_words` of them as value. Used by one thread.
class PluginView {
 public:
  explicit PluginView(std::size_t value_words);

  /// From here on plugin functions see this version; its pin is the caller's.
  void show(const tree::Snapshot& snapshot) noexcept { snapshot_.view = snapshot; }
  const void* get(const void* key) const noexcept { return host_.get(&snapshot_, 0, key); }
  void get_many(const void* keys, std::size_t count, const void** values) const noexcept {
    host_.get_many(&snapshot_, 0, keys, count, values);
  }

 private:
  const tables::Catalog catalog_;
  const reading::BoundTables tables_;
  perch_host host_{};
  perch_snapshot snapshot_;
};

}  // namespace perch::bench
