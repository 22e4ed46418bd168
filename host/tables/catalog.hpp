// The tables of a host: what they are called, how their rows look, what is kept of them.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "tables/key_codec.hpp"
#include "tables/layout.hpp"
#include "tables/rollup.hpp"
#include "tree/format.hpp"

namespace perch::tables {

/// What to keep: the oldest rows beyond go, in the order of `by` (the value a row was first inserted with) or
/// else of first insertion. Rows of the same `by` go in the order of first insertion, or of their keys where
/// `by` is the key's first field.
struct RetainSpec {
  std::optional<std::uint64_t> rows;            ///< at most so many
  std::optional<std::chrono::nanoseconds> age;  ///< none older than this behind the newest `by`; needs `by`
  std::optional<std::string>
      by;  ///< a single number or timestamp_ns of key or value (the key's, where both have it)
  std::vector<std::string> per = {};  ///< `rows` counts those alike in these fields; none: all
  bool operator==(const RetainSpec&) const = default;

  // UINT64_MAX: any.
  std::uint64_t rows_max() const noexcept { return rows.value_or(UINT64_MAX); }
  std::uint64_t age_ns() const noexcept {
    return age ? static_cast<std::uint64_t>(age->count()) : UINT64_MAX;
  }
};

struct TableSpec {
  std::string name;  ///< [A-Za-z_][A-Za-z0-9_]{0,63}
  std::vector<FieldSpec> key;
  std::vector<FieldSpec> value;
  std::optional<RetainSpec> retain;
  std::optional<RollupSpec> rollup = {};  ///< then key and value follow from it
};

/// Immutable after construction; any thread.
class Table {
 public:
  /// `source`: of a rollup, the table that it is of. Errors name the table and the field.
  static Result<std::shared_ptr<const Table>> make(const TableSpec& spec, tree::TableIndex index,
                                                   const Table* source = nullptr);

  const std::string& name() const noexcept { return name_; }
  tree::TableIndex index() const noexcept { return index_; }
  const Layout& key() const noexcept { return key_; }
  const Layout& value() const noexcept { return value_; }
  const KeyCodec& codec() const noexcept { return codec_; }
  const std::optional<RetainSpec>& retain() const noexcept { return retain_; }
  /// The key's first field is what `retain.by` names: the oldest rows are the table's first ones.
  bool retains_in_key_order() const noexcept;
  /// Null: the table's rows come from sources.
  const Rollup* rollup() const noexcept { return rollup_ ? &*rollup_ : nullptr; }
  /// Where a rollup's state lies in the stored value.
  std::uint32_t rollup_state_offset() const noexcept { return (value_.size() + 15) / 16 * 16; }
  /// Bytes of a value in the tree: the record, behind it a rollup's state, and, only with retention in
  /// another order than the key's, the row's number in the order of insertion (a uint64 in the last 8 bytes,
  /// at a multiple of 8).
  std::uint32_t stored_value_bytes() const noexcept { return stored_value_bytes_; }

 private:
  std::string name_;
  tree::TableIndex index_ = 0;
  Layout key_;
  Layout value_;
  KeyCodec codec_;
  std::optional<RetainSpec> retain_;
  std::optional<Rollup> rollup_;
  std::uint32_t stored_value_bytes_ = 0;
};
using TablePtr = std::shared_ptr<const Table>;

/// The tables in the order in which they were added; table i has tree index i. Tables are added while the
/// host runs, none ever goes or changes.
///
/// Thread safety: `add` from one thread at a time; the rest from any. Who sees a table in tables() sees it
/// whole: the number of tables is stored with release behind the table, and loaded with acquire.
class Catalog {
 public:
  /// A rollup may stand before the table that it is of. Errors name the table.
  static Result<Catalog> make(const std::vector<TableSpec>& specs);
  /// What adding these would add, in their order; they may be rollups of tables that are there.
  Result<std::vector<TablePtr>> make_more(const std::vector<TableSpec>& specs) const;
  /// A catalog of its own with these as well.
  Catalog with(const std::vector<TablePtr>& more) const;
  /// Its index is the number of tables so far.
  void add(TablePtr table);

  std::span<const TablePtr> tables() const noexcept {
    return {slots_->tables.data(), slots_->count.load(std::memory_order_acquire)};
  }
  TablePtr find(std::string_view name) const noexcept;
  /// "no table 'trade'; did you mean 'trades'? (tables: trades, bars)"
  Error unknown_table(std::string_view name) const;

 private:
  struct Slots {
    std::array<TablePtr, tree::tables_max> tables;
    std::atomic<std::uint32_t> count{0};
  };
  std::unique_ptr<Slots> slots_ = std::make_unique<Slots>();
};

}  // namespace perch::tables
