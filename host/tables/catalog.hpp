// The tables of a host: what they are called, how their rows look, what is kept of them.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "tables/key_codec.hpp"
#include "tables/layout.hpp"
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
};

struct TableSpec {
  std::string name;  ///< [A-Za-z_][A-Za-z0-9_]{0,63}
  std::vector<FieldSpec> key;
  std::vector<FieldSpec> value;
  std::optional<RetainSpec> retain;
};

/// Immutable after construction; any thread.
class Table {
 public:
  /// Errors name the table and the field.
  static Result<std::shared_ptr<const Table>> make(const TableSpec& spec, tree::TableIndex index);

  const std::string& name() const noexcept { return name_; }
  tree::TableIndex index() const noexcept { return index_; }
  const Layout& key() const noexcept { return key_; }
  const Layout& value() const noexcept { return value_; }
  const KeyCodec& codec() const noexcept { return codec_; }
  const std::optional<RetainSpec>& retain() const noexcept { return retain_; }
  /// The key's first field is what `retain.by` names: the oldest rows are the table's first ones.
  bool retains_in_key_order() const noexcept;
  /// Bytes of a value in the tree: the record, and, only with retention in another order than the key's,
  /// behind it the row's number in the order of insertion (a uint64 in the last 8 bytes, at a multiple of 8).
  std::uint32_t stored_value_bytes() const noexcept { return stored_value_bytes_; }

 private:
  std::string name_;
  tree::TableIndex index_ = 0;
  Layout key_;
  Layout value_;
  KeyCodec codec_;
  std::optional<RetainSpec> retain_;
  std::uint32_t stored_value_bytes_ = 0;
};
using TablePtr = std::shared_ptr<const Table>;

/// The tables in the order of the config; table i has tree index i. Immutable while the host runs.
class Catalog {
 public:
  static Result<Catalog> make(const std::vector<TableSpec>& specs);
  const std::vector<TablePtr>& tables() const noexcept { return tables_; }
  TablePtr find(std::string_view name) const noexcept;
  /// "no table 'trade'; did you mean 'trades'? (tables: trades, bars)"
  Error unknown_table(std::string_view name) const;

 private:
  std::vector<TablePtr> tables_;
};

}  // namespace perch::tables
