// Snapshot: one version of all tables, as plain memory. Part of the tree's read side.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "tree/format.hpp"

namespace perch::tree {

/// A view of one version. Copies are free and share the pin that somebody else holds: it is valid while that
/// pin is (see pins.hpp). Any thread may use it; nothing in it ever changes.
class Snapshot {
 public:
  /// Version 0: no rows in any table. Needs no pin.
  Snapshot() = default;
  Snapshot(const std::byte* base, const VersionRecord* record) noexcept : base_(base), record_(record) {}

  Version version() const noexcept { return record_ ? record_->version : 0; }
  std::int64_t commit_time_ns() const noexcept { return record_ ? record_->commit_time_ns : 0; }
  std::uint64_t rows(TableIndex table) const noexcept { return root(table).rows; }
  std::span<const SourcePosition> positions() const noexcept {
    return record_ ? std::span(record_->positions(), record_->source_count)
                   : std::span<const SourcePosition>{};
  }

  /// The value of `key` (the table's key_words words), in place; nullptr when there is none.
  const std::byte* get(TableIndex table, const std::uint64_t* key) const noexcept;

  /// The same for `count` keys, one after the other in `keys`; the descents are interleaved, so that their
  /// cache misses overlap. values[i]: as from get.
  void get_many(TableIndex table, const std::uint64_t* keys, std::uint32_t count,
                const std::byte** values) const noexcept;

  /// Tables that this version does not know are empty.
  TableRoot root(TableIndex table) const noexcept {
    return record_ && table < record_->table_count ? record_->tables()[table] : TableRoot{0, 0, 0};
  }
  const Geometry& geometry(TableIndex table) const noexcept {
    return reinterpret_cast<const ControlPage*>(base_)->geometry[table];
  }
  const std::byte* base() const noexcept { return base_; }

 private:
  const std::byte* base_ = nullptr;
  const VersionRecord* record_ = nullptr;
};

}  // namespace perch::tree
