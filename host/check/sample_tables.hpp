// SampleTables: a store with the tables that a plugin reads, made from its own manifest, and rows to put into
// them.
#pragma once

#include <memory>
#include <vector>

#include "base/result.hpp"
#include "check/sample_values.hpp"
#include "plugin/manifest.hpp"
#include "tables/catalog.hpp"
#include "tables/table_writer.hpp"
#include "tree/store.hpp"

namespace perch::check {

/// Whether the host's value records are those that the plugin was built with, or have grown at the end since,
/// as a host's may: values then lie further apart.
enum class Records { as_built, grown };

/// For one thread, the writer's, but for reads() and catalog().
class SampleTables {
 public:
  /// Errors: tables that no host can have.
  static Result<std::unique_ptr<SampleTables>> make(const plugin::Manifest& manifest, Records records,
                                                    Values values, std::uint64_t seed);

  std::size_t table_count() const noexcept { return catalog_.tables().size(); }
  const tables::Catalog& catalog() const noexcept { return catalog_; }
  tree::ReadSide& reads() { return store_->reads(); }

  /// Into one table, or into each. No more than the arena takes.
  void insert(std::size_t table, std::uint64_t rows);
  void insert_everywhere(std::uint64_t rows);
  /// Of `count` changes in each table half are updates, a quarter inserts, a quarter removals.
  void change(std::uint64_t count);
  void clear(std::size_t table);
  void clear_everywhere();
  /// Publishes all since the last commit, be it nothing.
  tree::Version commit();

 private:
  using Keys = std::vector<std::vector<std::uint64_t>>;  // the rows that are there, as words

  SampleTables(tables::Catalog catalog, std::vector<tables::Layout> built_values,
               std::unique_ptr<tree::Store> store, SampleValues values);
  void put(std::size_t table, const std::vector<std::uint64_t>& key);
  void remove(std::size_t table, std::size_t row);

  const tables::Catalog catalog_;
  const std::vector<tables::Layout> built_values_;  // by table: those of the plugin
  const std::unique_ptr<tree::Store> store_;
  tables::TableWriter writer_;
  SampleValues values_;
  std::vector<Keys> keys_;  // by table
  std::int64_t time_ns_ = 1'750'000'000'000'000'000;
};

}  // namespace perch::check
