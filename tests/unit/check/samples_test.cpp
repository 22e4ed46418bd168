// What plugins are checked with: rows, configs, states.
#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <set>

#include "check/config_samples.hpp"
#include "check/damaged_states.hpp"
#include "check/sample_tables.hpp"
#include "check/sample_values.hpp"
#include "plugin/config_schema.hpp"
#include "tables/record_json.hpp"
#include "tree/cursor.hpp"

namespace perch::check {
namespace samples_test {

plugin::Manifest manifest_with(const std::string& schema) {
  plugin::Manifest manifest;
  manifest.id = "sample";
  manifest.tables = {{"rows", "{id:uint64@0;name:char[8]@8}16:8",
                      "{price:float64@0;count:int32@8;flag:bool@12;tags:char[3]@13}16:8"}};
  manifest.config_schema = schema;
  return manifest;
}

bool is_utf8(const std::string& text) {
  try {
    static_cast<void>(Json(text).dump());
    return true;
  } catch (const Json::exception&) {
    return false;
  }
}

/// All rows of the first table, as JSON, with the fields that the plugin knows.
std::vector<std::string> rows_of(SampleTables& tables, const plugin::Manifest& manifest) {
  const auto& table = *tables.catalog().tables()[0];
  const auto built = tables::Layout::parse(manifest.tables[0].value_layout).value();
  const auto snapshot = tables.reads().acquire();
  tree::Cursor cursor(snapshot->snapshot(), table.index(), {}, {}, false);
  std::vector<std::string> rows;
  std::vector<std::byte> key(table.key().size());
  std::vector<std::uint64_t> words(table.codec().words());
  for (tree::Run run = cursor.next(1); run.count > 0; run = cursor.next(1)) {
    run.copy_key(0, table.codec().words(), words.data());
    table.codec().decode(words.data(), key.data());
    std::string row;
    tables::append_members(table.key(), key.data(), row);
    tables::append_members(built, run.values, row);
    rows.push_back(row);
  }
  return rows;
}

TEST_CASE("sample values: keys are never NaN, texts are UTF-8 within their field, padding is zero") {
  const auto layout = tables::Layout::parse("{f:float32@0;d:float64@8;name:char[7]@16}24:8").value();
  SampleValues values(1);
  std::set<std::string> names;
  for (int i = 0; i < 2000; ++i) {
    std::byte record[24];
    values.fill_key(layout, record);
    float f;
    double d;
    std::memcpy(&f, record, sizeof f);
    std::memcpy(&d, record + 8, sizeof d);
    CHECK_FALSE(std::isnan(f));
    CHECK_FALSE(std::isnan(d));
    const auto* const name = reinterpret_cast<const char*>(record + 16);
    const std::string text(name, strnlen(name, 7));
    CHECK(is_utf8(text));
    names.insert(text);
    CHECK(record[23] == std::byte{0});
    CHECK(record[4] == std::byte{0});
  }
  CHECK(names.count("") == 1);         // empty
  CHECK(names.count("xxxxxxx") == 1);  // full
}

TEST_CASE("sample values: odd ones have NaN, infinities and limits; ordinary ones have none") {
  const auto layout = tables::Layout::parse("{d:float64@0;n:int64@8}16:8").value();
  for (const Values kind : {Values::odd, Values::ordinary}) {
    SampleValues values(3, kind);
    int nans = 0;
    int infinities = 0;
    int largest = 0;
    for (int i = 0; i < 5000; ++i) {
      std::byte record[16];
      values.fill_value(layout, record);
      double d;
      std::int64_t n;
      std::memcpy(&d, record, sizeof d);
      std::memcpy(&n, record + 8, sizeof n);
      nans += std::isnan(d) ? 1 : 0;
      infinities += std::isinf(d) ? 1 : 0;
      largest += n == INT64_MAX ? 1 : 0;
    }
    CHECK((nans > 0) == (kind == Values::odd));
    CHECK((infinities > 0) == (kind == Values::odd));
    CHECK((largest > 0) == (kind == Values::odd));
  }
}

TEST_CASE("sample tables: the same seed gives the same rows, whether the host's records have grown or not") {
  const auto manifest = manifest_with("{}");
  const auto rows = [&](Records records, std::uint64_t seed) {
    auto tables = SampleTables::make(manifest, records, Values::odd, seed).value();
    tables->insert_everywhere(300);
    tables->commit();
    tables->change(100);
    tables->commit();
    return rows_of(*tables, manifest);
  };
  const auto built = rows(Records::as_built, 5);
  CHECK(built.size() > 200);
  CHECK(rows(Records::as_built, 5) == built);
  CHECK(rows(Records::grown, 5) == built);
  CHECK(rows(Records::as_built, 6) != built);
}

TEST_CASE("sample tables: grown records fit the plugin and lie further apart") {
  const auto manifest = manifest_with("{}");
  const auto grown = SampleTables::make(manifest, Records::grown, Values::odd, 1).value();
  CHECK(plugin::check_compatible(manifest, grown->catalog()));
  CHECK(grown->catalog().tables()[0]->value().size() == 32);
}

TEST_CASE("sample tables: cleared ones have no rows, and rows come back") {
  const auto manifest = manifest_with("{}");
  const auto tables = SampleTables::make(manifest, Records::as_built, Values::odd, 1).value();
  tables->insert_everywhere(50);
  tables->clear_everywhere();
  tables->commit();
  CHECK(rows_of(*tables, manifest).empty());
  tables->change(20);
  tables->commit();
  CHECK_FALSE(rows_of(*tables, manifest).empty());
}

TEST_CASE("sample configs: all fit the schema; each choice and both ends of a range are among them") {
  const auto manifest =
      manifest_with(R"({"type":"object","additionalProperties":false,"required":["mode"],"properties":{
    "mode":{"enum":["sum","count"]},"top":{"type":"integer","minimum":1,"maximum":100,"default":5},
    "names":{"type":"array","items":{"type":"string","maxLength":3},"minItems":1,"maxItems":4},
    "share":{"type":"number","minimum":0,"maximum":1},
    "every":{"type":"string","pattern":"^[0-9]+s$"}}})");
  SampleValues random(1);
  const auto configs = sample_configs(manifest, random);
  std::set<std::string> found;
  for (const SampleConfig& config : configs) {
    CHECK_MESSAGE(plugin::check_config(manifest, config.json), config.json);
    const Json json = Json::parse(config.json);
    for (const auto& [name, value] : json.items()) found.insert(name + "=" + value.dump());
  }
  for (const char* const wanted : {"mode=\"sum\"", "mode=\"count\"", "top=1", "top=100", "top=5", "share=0.0",
                                   "share=1.0", "every=\"10s\""}) {
    CHECK_MESSAGE(found.count(wanted) == 1, wanted);
  }
  CHECK(configs.size() > 20);
  CHECK(plugin::check_config(manifest, least_config(manifest)));
  CHECK(Json::parse(least_config(manifest)) == Json{{"mode", "sum"}});
}

TEST_CASE("sample configs: a schema that allows anything is given anything, and the least of it is {}") {
  const auto manifest = manifest_with("{}");
  CHECK(least_config(manifest) == "{}");
  SampleValues random(1);
  CHECK(sample_configs(manifest, random).size() >= 3);
}

TEST_CASE("damaged states: every length of a short one, and none is the state itself") {
  const std::string state = "twenty-four bytes long..";
  SampleValues random(1);
  std::set<std::size_t> lengths;
  std::size_t count = 0;
  for_each_damaged_state(state, random, [&](const std::string& bytes, const std::string& what) {
    CHECK_FALSE(what.empty());
    CHECK(bytes != state);
    if (what.starts_with("cut to")) lengths.insert(bytes.size());
    ++count;
    return true;
  });
  CHECK(lengths.size() == state.size());
  CHECK(count > 400);
}

TEST_CASE("damaged states: whoever has had enough gets no more") {
  SampleValues random(1);
  int count = 0;
  for_each_damaged_state("state", random,
                         [&](const std::string&, const std::string&) { return ++count < 3; });
  CHECK(count == 3);
}

}  // namespace samples_test
}  // namespace perch::check
