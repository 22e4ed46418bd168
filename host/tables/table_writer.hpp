// TableWriter: rows into the tree, and the oldest ones out. The only way that rows change.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "tables/catalog.hpp"
#include "tree/store.hpp"

namespace perch::tables {

class RetentionQueue;
class RollupWriter;

/// For the writer thread alone.
class TableWriter {
 public:
  /// Adds the catalog's tables to the store. Both outlive this.
  TableWriter(tree::Store& store, const Catalog& catalog);
  ~TableWriter();
  /// Adds one more table, the catalog's next one: visible from the next commit on.
  void add_table(TablePtr table);

  /// Whether memory for one more row is certain; ask before each upsert. On no: commit, then try again later.
  bool has_room();
  /// Starts loading what is needed to write these rows, keys one after the other: call it for some 16 rows
  /// before they are upserted.
  void warm(tree::TableIndex table, const std::uint64_t* keys, std::uint32_t count) const;
  /// Inserts or replaces, and folds the row into the table's rollups. `key`: codec().words() words; `value`:
  /// value().size() bytes, padding zero.
  void upsert(tree::TableIndex table, const std::uint64_t* key, const std::byte* value);
  /// False when there is no such row. Ask has_room before, as for upsert.
  bool erase(tree::TableIndex table, const std::uint64_t* key);
  /// Evicts what the tables' retention says, as part of the version being built, and returns how many rows.
  /// Call before each commit. Its work is bounded: what it leaves over is for the next call.
  std::uint64_t retain();
  /// The last `retain` left rows that are due, or may have. While no rows come, call it again and commit.
  bool is_behind() const noexcept { return is_behind_; }
  tree::Version commit(std::int64_t commit_time_ns, std::span<const tree::SourcePosition> positions);

  std::uint64_t rows(tree::TableIndex table) const { return store_.rows(table); }
  std::uint32_t table_count() const noexcept { return static_cast<std::uint32_t>(tables_.size()); }
  std::uint64_t evicted_rows(tree::TableIndex table) const { return tables_[table].evicted; }
  /// Of a rollup: rows folded into a bucket before the newest one.
  std::uint64_t late_rows(tree::TableIndex table) const;

 private:
  struct OpenTable {
    TablePtr table;
    std::unique_ptr<RetentionQueue> queue;  // null without retention
    std::unique_ptr<RollupWriter> rollup;   // null of a table with sources
    std::vector<tree::TableIndex> rollups;  // of this table
    std::vector<std::byte> key_record;      // of a row that is folded; padding zero
    bool rollups_read_key = false;
    std::uint64_t evicted = 0;
  };

  void fold_rollups(OpenTable& source, const std::uint64_t* key, const std::byte* value);
  void flush_rollups();

  tree::Store& store_;
  std::vector<OpenTable> tables_;  // by table index
  bool is_behind_ = false;
};

}  // namespace perch::tables
