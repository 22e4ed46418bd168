#include <doctest/doctest.h>

#include <algorithm>

#include "perch/plugin.h"
#include "plugin/manifest.hpp"

namespace perch::plugin {
namespace compatibility_test {

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

TEST_CASE("a field that the host has in the middle, or not at all, is named") {
  CHECK(differences("trades", key, "{ts:timestamp_ns@0;size:float32@8;flags:uint16@12}16:8") ==
        std::vector<std::string>{
            "table trades, value field size: plugin built with float32 @8, host has float32 @16",
            "table trades, value field flags: plugin built with uint16 @12, host has uint16 @20",
            "`perch layout trades --cpp > trades.hpp`, then rebuild the plugin"});
  // Left out, but all others where they are: nothing is read wrongly.
  CHECK(differences("trades", key, "{ts:timestamp_ns@0;price:float64@8;flags:uint16@16}24:8").size() == 2);
}

TEST_CASE("each change of a key is refused, also a field more or another order") {
  CHECK(differences("trades", "{seq:uint64@0;symbol:char[8]@8}16:8", "{ts:timestamp_ns@0}8:8") ==
        std::vector<std::string>{
            "table trades, key field seq: plugin built with uint64 @0, host has uint64 @8",
            "table trades, key field symbol: plugin built with char[8] @8, host has char[8] @0",
            "`perch layout trades --cpp > trades.hpp`, then rebuild the plugin"});
  CHECK(differences("trades", "{symbol:char[8]@0;seq:int64@8}16:8", "{ts:timestamp_ns@0}8:8").front() ==
        "table trades, key field seq: plugin built with int64 @8, host has uint64 @8");
  CHECK(differences("trades", "{symbol:char[8]@0;number:uint64@8}16:8", "{ts:timestamp_ns@0}8:8") ==
        std::vector<std::string>{
            "table trades, key field number: plugin built with uint64 @8, host has no such field (at that "
            "place: seq uint64 @8)",
            "table trades, key field seq: plugin built without it, host has uint64 @8",
            "`perch layout trades --cpp > trades.hpp`, then rebuild the plugin"});
  CHECK(differences("trades", "{symbol:char[8]@0;seq:uint64@8;part:uint8@16}24:8", "{ts:timestamp_ns@0}8:8")
            .front() == "table trades, key field part: plugin built with uint8 @16, host has no such field");
}

TEST_CASE("a plugin that uses more of the interface than this host has is told which side is newer") {
  Manifest manifest;
  manifest.id = "vwap";
  manifest.version = "1.0.0";
  manifest.host_size = sizeof(perch_host);
  CHECK(check_compatible(manifest, market()));
  manifest.host_size = sizeof(perch_host) + 8;
  const auto fits = check_compatible(manifest, market());
  REQUIRE_FALSE(fits);
  CHECK(fits.error().kind == ErrorKind::incompatible);
  CHECK(fits.error().message ==
        "plugin vwap 1.0.0 is newer than this host: uses " + std::to_string(sizeof(perch_host) + 8) +
            " bytes of the interface, this host has " + std::to_string(sizeof(perch_host)));
  CHECK(fits.error().details.back() == "start a newer host, or rebuild the plugin with this host's SDK");
}

}  // namespace compatibility_test
}  // namespace perch::plugin
