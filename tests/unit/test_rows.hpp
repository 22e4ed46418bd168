// Tables for readers' tests, and rows that verify themselves.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/assert.hpp"
#include "tables/catalog.hpp"
#include "tables/table_writer.hpp"
#include "tree/store.hpp"

namespace perch::test {

inline tables::Catalog test_catalog() {
  tables::TableSpec rows{"rows", {{"id", "uint64"}}, {{"amount", "int64"}, {"check", "uint64"}}, {}};
  tables::TableSpec pairs{"pairs", {{"name", "char[8]"}, {"number", "int32"}}, {{"price", "float64"}}, {}};
  return tables::Catalog::make({rows, pairs}).value();
}

/// Rows that verify themselves (check = id × 31 + amount), and what a reader must have summed up.
class RowWriter {
 public:
  RowWriter(tree::Store& store, const tables::Catalog& catalog) : writer_(store, catalog) {}

  void put(std::uint64_t id, std::int64_t amount) {
    struct {
      std::int64_t amount;
      std::uint64_t check;
    } const row{amount, id * 31 + static_cast<std::uint64_t>(amount)};
    PERCH_ASSERT(writer_.has_room(), "the test's arena is too small");
    writer_.upsert(0, &id, reinterpret_cast<const std::byte*>(&row));
  }
  void erase(std::uint64_t id) {
    PERCH_ASSERT(writer_.has_room(), "the test's arena is too small");
    writer_.erase(0, &id);
  }
  tree::Version commit() { return writer_.commit(1'000, {}); }
  tables::TableWriter& tables() { return writer_; }

 private:
  tables::TableWriter writer_;
};

}  // namespace perch::test
