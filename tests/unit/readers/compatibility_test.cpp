#include <doctest/doctest.h>

#include <algorithm>

#include "readers/manifest.hpp"

namespace perch::readers {
namespace {

tables::Catalog market() {
  tables::TableSpec trades{
      "trades",
      {{"symbol", "char[8]"}, {"seq", "uint64"}},
      {{"ts", "timestamp_ns"}, {"price", "float64"}, {"size", "float32"}, {"flags", "uint16"}},
      {}};
  return tables::Catalog::make({trades}).value();
}

constexpr const char* key = "{symbol:char[8]@0;seq:uint64@8}16:8";

/// The refusal's lines; empty when the plugin fits.
std::vector<std::string> differences(const std::string& table, const std::string& key_layout,
                                     const std::string& value_layout) {
  Manifest manifest;
  manifest.id = "vwap";
  manifest.version = "1.0.0";
  manifest.tables = {{table, key_layout, value_layout}};
  const auto fits = check_compatible(manifest, market());
  if (fits) return {};
  CHECK(fits.error().kind == ErrorKind::incompatible);
  return fits.error().details;
}

bool has(const std::vector<std::string>& lines, const std::string& line) {
  return std::find(lines.begin(), lines.end(), line) != lines.end();
}

TEST_CASE("a plugin of the same layout, or of its leading fields, fits") {
  CHECK(differences("trades", key, "{ts:timestamp_ns@0;price:float64@8;size:float32@16;flags:uint16@20}24:8")
            .empty());
  CHECK(differences("trades", key, "{ts:timestamp_ns@0;price:float64@8}16:8").empty());
  CHECK(differences("trades", key, "{ts:timestamp_ns@0}8:8").empty());
}

TEST_CASE("a field of another type is named, and the command that helps") {
  const auto lines = differences("trades", key, "{ts:timestamp_ns@0;price:float32@8;size:float32@12}16:8");
  CHECK(has(lines, "table trades, value field price: plugin built with float32 @8, host has float64 @8"));
  CHECK(has(lines, "table trades, value field size: plugin built with float32 @12, host has float32 @16"));
  CHECK(lines.back() == "`perch layout trades --cpp > trades.hpp`, then rebuild the plugin");
  CHECK(lines.size() == 3);
}

TEST_CASE("two swapped fields of one type do not pass") {
  const auto catalog =
      tables::Catalog::make({{"t", {{"id", "uint64"}}, {{"bid", "float64"}, {"ask", "float64"}}, {}}})
          .value();
  Manifest manifest;
  manifest.tables = {{"t", "{id:uint64@0}8:8", "{ask:float64@0;bid:float64@8}16:8"}};
  const auto fits = check_compatible(manifest, catalog);
  REQUIRE_FALSE(fits);
  CHECK(has(fits.error().details,
            "table t, value field ask: plugin built with float64 @0, host has float64 @8"));
  CHECK(has(fits.error().details,
            "table t, value field bid: plugin built with float64 @8, host has float64 @0"));
}

TEST_CASE("a renamed field shows what is in its place, a missing one that there is none") {
  const auto renamed = differences("trades", key, "{ts:timestamp_ns@0;px:float64@8}16:8");
  CHECK(has(renamed,
            "table trades, value field px: plugin built with float64 @8, host has no such field (at that "
            "place: price "
            "float64 @8)"));
  const auto missing =
      differences("trades", key,
                  "{ts:timestamp_ns@0;price:float64@8;size:float32@16;flags:uint16@20;fee:float64@24}32:8");
  CHECK(has(missing, "table trades, value field fee: plugin built with float64 @24, host has no such field"));
  CHECK(has(missing, "table trades, value: plugin's record has 32 bytes, host's 24"));
}

TEST_CASE("a resized field is named") {
  const auto lines = differences("trades", "{symbol:char[16]@0;seq:uint64@16}24:8", "{ts:timestamp_ns@0}8:8");
  CHECK(has(lines, "table trades, key field symbol: plugin built with char[16] @0, host has char[8] @0"));
  CHECK(has(lines, "table trades, key field seq: plugin built with uint64 @16, host has uint64 @8"));
}

TEST_CASE("a key must be equal: fewer fields do not fit") {
  const auto lines = differences("trades", "{symbol:char[8]@0}8:1", "{ts:timestamp_ns@0}8:8");
  CHECK(has(lines, "table trades, key field seq: plugin built without it, host has uint64 @8"));
}

TEST_CASE("a table that is not there is named with the nearest that is") {
  const auto lines = differences("trade", key, "{ts:timestamp_ns@0}8:8");
  CHECK(has(lines, "table trade: this host has no such table; did the plugin mean trades?"));
}

TEST_CASE("a larger alignment than the host's does not fit") {
  const auto catalog =
      tables::Catalog::make({{"t", {{"id", "uint64"}}, {{"a", "uint32"}, {"b", "uint32"}}, {}}}).value();
  Manifest manifest;
  manifest.tables = {{"t", "{id:uint64@0}8:8", "{a:uint64@0}8:8"}};
  const auto fits = check_compatible(manifest, catalog);
  REQUIRE_FALSE(fits);
  CHECK(has(fits.error().details, "table t, value: plugin's record is aligned to 8, host's to 4"));
}

}  // namespace
}  // namespace perch::readers
