#include "tables/catalog.hpp"

#include <doctest/doctest.h>

#include "unit/tables/test_tables.hpp"
#include "unit/test_files.hpp"

using namespace perch::tables;
using namespace std::chrono_literals;

namespace catalog_test {

using perch::test::has;
using perch::test::refusal;

TableSpec trades() {
  return {"trades",
          {{"symbol", "char[8]"}, {"seq", "uint64"}},
          {{"ts", "timestamp_ns"}, {"price", "float64"}, {"flag", "bool"}, {"depth", "int32[4]"}},
          {}};
}

std::string refusal_of(const RetainSpec& retain) {
  TableSpec spec = trades();
  spec.retain = retain;
  return refusal({spec});
}

TEST_CASE("a catalog holds its tables in the order given") {
  TableSpec other = trades();
  other.name = "other";
  const auto catalog = Catalog::make({trades(), other});
  REQUIRE(catalog);
  REQUIRE(catalog->tables().size() == 2);
  CHECK(catalog->tables()[1]->name() == "other");
  CHECK(catalog->tables()[1]->index() == 1);
  CHECK(catalog->find("trades") == catalog->tables()[0]);
  CHECK(catalog->find("trade") == nullptr);
  const perch::Error error = catalog->unknown_table("trade");
  CHECK(error.kind == perch::ErrorKind::not_found);
  CHECK(error.message == "no table 'trade'; did you mean 'trades'? (tables: trades, other)");
}

TEST_CASE("a value is stored as it is; with retention in another order than the key's eight bytes more") {
  CHECK(Table::make(trades(), 0).value()->stored_value_bytes() == 40);
  TableSpec spec = trades();
  spec.value = {{"a", "int32"}, {"b", "bool"}, {"c", "char[4]"}};
  CHECK(Table::make(spec, 0).value()->stored_value_bytes() == 12);
  spec.retain = RetainSpec{1, {}, {}};
  CHECK(Table::make(spec, 0).value()->stored_value_bytes() == 24);
  spec.key = {{"first", "uint32"}, {"second", "uint32"}};
  spec.retain = RetainSpec{1, {}, "second"};
  CHECK(Table::make(spec, 0).value()->stored_value_bytes() == 24);
  CHECK_FALSE(Table::make(spec, 0).value()->retains_in_key_order());
  spec.retain = RetainSpec{1, {}, "first"};
  CHECK(Table::make(spec, 0).value()->stored_value_bytes() == 12);
  CHECK(Table::make(spec, 0).value()->retains_in_key_order());
}

TEST_CASE("a wrong table is refused with its place") {
  TableSpec spec = trades();
  CHECK(has(refusal({spec, spec}), "tables.trades: is there twice"));
  spec.name = "no name";
  CHECK(has(refusal({spec}), "tables.no name: a table's name"));
  spec = trades();
  spec.key[0].type = "chars";
  CHECK(has(refusal({spec}),
            "tables.trades.key: field 'symbol': unknown type 'chars'; did you mean 'char[N]'?"));
  spec = trades();
  spec.key[0].type = "char[60]";
  CHECK(has(refusal({spec}), "tables.trades.key: field 'seq': the key is over 64 bytes"));
  spec = trades();
  spec.key[0].type = "char[56]";
  CHECK(refusal({spec}).empty());
  spec.key[0].type = "uint32[2]";
  CHECK(has(refusal({spec}), "tables.trades.key: field 'symbol': an array"));
  spec = trades();
  spec.value.clear();
  CHECK(has(refusal({spec}), "tables.trades.value: "));
  CHECK(has(refusal(std::vector<TableSpec>(257, trades())), "at most 256"));
}

TEST_CASE("what cannot be retained is refused with its place") {
  CHECK(has(refusal_of(RetainSpec{}), "tables.trades.retain: give"));
  CHECK(has(refusal_of(RetainSpec{0, {}, {}}), "tables.trades.retain.rows"));
  CHECK(has(refusal_of(RetainSpec{{}, 0s, "ts"}), "tables.trades.retain.age"));
  CHECK(has(refusal_of(RetainSpec{{}, 1s, {}}), "tables.trades.retain: \"age\" needs \"by\""));
  CHECK(has(refusal_of(RetainSpec{{}, 1s, "price"}), "with \"age\" it must be a timestamp_ns"));
  CHECK(has(refusal_of(RetainSpec{5, {}, "prise"}),
            "tables.trades.retain.by: the table has no field 'prise'; did "
            "you mean 'price'?"));
  for (const char* by : {"symbol", "flag", "depth"}) {
    CAPTURE(by);
    CHECK(has(refusal_of(RetainSpec{5, {}, by}), "must be a single number"));
  }
  for (const char* by : {"seq", "price", "ts"}) CHECK(refusal_of(RetainSpec{5, {}, by}).empty());
  CHECK(refusal_of(RetainSpec{5, 1h, "ts"}).empty());
  CHECK(refusal_of(RetainSpec{5, {}, {}}).empty());
}

}  // namespace catalog_test
