// No changed field goes unnoticed by a reload: it is taken over or refused by name.
#include <algorithm>
#include <map>
#include <set>
#include <type_traits>

#include "config/differences.hpp"
#include "config/field_kinds.hpp"
#include "config/names.hpp"
#include "config_fixture.hpp"
#include "perchd/reload.hpp"
#include "schema_places.hpp"

namespace config_reload_test {

using perch::Difference;
using perch::ReloadRule;
using perch::test::FieldPlace;
using perch::test::Json;
using perch::test::Pointer;

/// Values of a kind that a schema does not tell how to make.
const std::map<std::string, std::vector<Json>> special_values{
    {"feed.when", {Json{{"n", 2}}}},        {"feed.map", {Json{{"v", "other"}}}},
    {"source.when", {Json{{"n", 2}}}},      {"source.map", {Json{{"v", "other"}}}},
    {"rollup.group", {Json::array({"n"})}}, {"rollup.aggregate", {Json{{"n", "count()"}}}},
    {"instance.config", {Json{{"y", 2}}}},  {"member.format", {"%Y%m%d"}},
    {"member.zone", {"Asia/Tokyo"}},
};

/// Some of them are good wherever a text is; the reader tells which.
const std::vector<std::string> texts{"other", "ts2", "t2",        "root",      "uint32",
                                     "0640",  "|",   "other.csv", "perch-feed"};

std::vector<Json> values_of(const FieldPlace& field) {
  const Json& schema = field.schema;
  if (const auto special = special_values.find(field.id()); special != special_values.end())
    return special->second;
  if (schema.contains("enum")) return {schema["enum"].begin(), schema["enum"].end()};
  const std::string definition = schema.value("definition", "");
  if (definition == "duration") return {"11ms", "2s", "3h"};
  if (definition == "size") return {"33MiB"};
  if (!schema.contains("type") && !schema.contains("anyOf")) return {1, "other", true};
  const std::string type = schema.value("type", "string");
  if (type == "boolean") return {true, false};
  if (type == "integer") return {schema["minimum"], schema["maximum"]};
  std::vector<Json> values(texts.begin(), texts.end());
  if (type == "array") {
    for (Json& value : values) value = Json::array({value});
  }
  return values;
}

/// "tables.t.key" for a field's type there: a refusal names a list as a whole.
std::string refused_place(const Pointer& pointer) {
  std::string place = pointer.to_string().substr(1);
  std::replace(place.begin(), place.end(), '/', '.');
  for (std::size_t dot = place.find('.'); dot != std::string::npos; dot = place.find('.', dot + 1)) {
    if (dot + 1 < place.size() && std::isdigit(static_cast<unsigned char>(place[dot + 1])))
      return place.substr(0, dot);
  }
  return place;
}

struct ReloadFixture : ConfigFixture {
  perch::Config read_running() const {
    write("rows.csv", "");
    write("other.csv", "");
    auto config = read(json.dump());
    REQUIRE_MESSAGE(config.has_value(), config.error().message);
    return std::move(*config);
  }

  /// What a reload does about this field, in a word; "" when it does not notice.
  std::string outcome(const Json& wanted_json, const Pointer& pointer) const {
    const auto wanted = read(wanted_json.dump());
    if (!wanted) return "not read";
    const auto plan = perch::plan_reload(running, *wanted, *catalog);
    if (plan) {
      const std::string place = pointer.to_string();
      const bool noticed = place.starts_with("/sources/")             ? plan->sources.any()
                           : place.starts_with("/readers/instances/") ? plan->readers.any()
                           : place.starts_with("/commit/")            ? plan->changes_commit
                           : place.starts_with("/host/log/")          ? plan->changes_log_level
                                                                      : false;
      return noticed ? "taken over" : "";
    }
    const std::string named = refused_place(pointer);
    for (const std::string& detail : plan.error().details) {
      if (detail.starts_with(named + ":") || detail.starts_with(named + " ")) return "refused";
    }
    return "";
  }

  const Json json = Json::parse(perch::test::config_with_every_kind);
  const perch::Config running = read_running();
  const perch::Result<perch::tables::Catalog> catalog = perch::tables::Catalog::make(running.tables);
};

TEST_CASE_FIXTURE(ReloadFixture, "a reload takes every changed field over or refuses it by name") {
  const Json schema = perch::test::read_schema();
  const perch::test::SchemaPlaces places(schema, json);
  std::set<std::string> noticed;
  for (const FieldPlace& field : places.all()) {
    if (field.has_kinds_below) noticed.insert(field.id());  // by what is below
    for (const Json& value : field.has_kinds_below ? std::vector<Json>() : values_of(field)) {
      Json wanted = json;
      wanted[field.pointer()] = value;
      const bool is_default =
          !json.contains(field.pointer()) && field.schema.value("default", Json()) == value;
      if (wanted == json || is_default) continue;
      const std::string what = outcome(wanted, field.pointer());
      CAPTURE(field.pointer().to_string());
      CAPTURE(value.dump());
      CHECK(what != "");
      if (what == "taken over" || what == "refused") noticed.insert(field.id());
    }
  }
  for (const auto& [kind, names] : perch::config_names()) {
    for (const std::string& name : names)
      CHECK_MESSAGE(noticed.contains(kind + "." + name), kind << "." << name);
  }
}

TEST_CASE_FIXTURE(ReloadFixture, "the same config in other words changes nothing") {
  Json wanted = json;
  wanted["host"]["name"] = "perch";
  wanted["arena"]["size"] = "4096MiB";
  wanted["control"]["mode"] = "660";
  std::reverse(wanted["sources"].begin(), wanted["sources"].end());
  const auto config = read(wanted.dump());
  REQUIRE(config.has_value());
  CHECK(perch::config_differences(running, *config).empty());
}

TEST_CASE_FIXTURE(ReloadFixture, "elements that come, go and change are told by their names, once") {
  Json wanted = json;
  wanted["tables"]["t3"] = wanted["tables"]["t2"];
  wanted["sources"][0]["spin"] = true;
  wanted["sources"][0]["restart"] = "never";
  wanted["sources"][1]["name"] = "other";
  wanted["readers"]["instances"][0]["config"] = {{"x", 1}};
  wanted["readers"]["instances"][1]["name"] = "c";
  const auto config = read(wanted.dump());
  REQUIRE(config.has_value());
  const auto plan = perch::plan_reload(running, *config, *catalog);
  REQUIRE_MESSAGE(plan.has_value(), plan.error().message);
  using Names = std::vector<std::string>;
  CHECK(plan->sources.added == Names{"other"});
  CHECK(plan->sources.removed == Names{"file"});
  CHECK(plan->sources.changed == Names{"exec"});
  CHECK(plan->readers.added == Names{"c"});
  CHECK(plan->readers.removed == Names{"b"});
  CHECK(plan->readers.changed == Names{"a"});
  REQUIRE(plan->ingest.add_tables.size() == 1);
  CHECK(plan->ingest.add_tables[0]->name() == "t3");
  REQUIRE(plan->ingest.add_sources.size() == 2);
  CHECK(plan->ingest.add_sources[0].name == "exec");
  CHECK(plan->ingest.remove_sources == Names{"file", "exec"});
}

TEST_CASE_FIXTURE(ReloadFixture, "tables neither go nor become something else") {
  const auto refusals = [&](const char* patch) {
    Json wanted = json;
    wanted.merge_patch(Json::parse(patch));
    const auto config = read(wanted.dump());
    REQUIRE_MESSAGE(config.has_value(), config.error().message);
    const auto plan = perch::plan_reload(running, *config, *catalog);
    return plan ? std::vector<std::string>() : plan.error().details;
  };
  using Details = std::vector<std::string>;
  CHECK(refusals(R"({"tables": {"r": null}})") ==
        Details{"tables.r is left out: a table cannot be removed while the host runs"});
  CHECK(refusals(R"json({"sources": [], "tables": {"t2": {"key": null, "value": null, "retain": null,
        "rollup": {"of": "t", "group": ["k"], "aggregate": {"n": "count()"}}}}})json") ==
        Details{"tables.t2.retain cannot change while the host runs",
                "tables.t2 is a table with sources, and cannot become a rollup"});
  CHECK(refusals(R"({"tables": {"r": {"rollup": null, "key": [{"name": "k", "type": "uint8"}],
        "value": [{"name": "v", "type": "uint8"}]}}})") ==
        Details{"tables.r is a rollup, and cannot become a table with sources"});
  CHECK(refusals(R"({"tables": {"t2": {"key": [{"name": "k", "type": "char[8]"}]}}})") ==
        Details{"tables.t2.key: runs with {k:char[8]@0;n:uint64@8}16:8, cannot become {k:char[8]@0}8:1 while "
                "the host runs"});
  CHECK(refusals(R"({"arena": {"size": "64MiB"}, "readers": {"sandbox": {"files": 99}}})") ==
        Details{"arena.size: runs with 4.0 GiB, cannot become 64.0 MiB while the host runs",
                "readers.sandbox.files: runs with 64, cannot become 99 while the host runs"});
}

struct Toy {
  std::uint32_t count = 1;
  bool flag = false;
};

template <class... Rest>
concept MakesAFlag = requires(Rest... rest) {
  perch::flag_field("flag", &Toy::flag, rest...);
};
template <class... Rest>
concept MakesACount = requires(Rest... rest) {
  perch::integer_field("count", &Toy::count, 1, 9, rest...);
};

// A field without a rule, or one that is not compared, does not compile.
static_assert(MakesAFlag<ReloadRule> && !MakesAFlag<>);
static_assert(MakesACount<ReloadRule> && !MakesACount<>);
static_assert(!std::is_default_constructible_v<perch::Field<Toy>>);
static_assert(!std::is_constructible_v<perch::Field<Toy>, std::string, perch::Field<Toy>::Read>);

TEST_CASE("a field that is in the table is named, read and compared") {
  const perch::Section<Toy> section("toy",
                                    {perch::integer_field("count", &Toy::count, 1, 9, ReloadRule::fixed),
                                     perch::flag_field("flag", &Toy::flag, ReloadRule::changes_reader)});
  CHECK(section.names() == std::vector<std::string>{"count", "flag"});
  std::vector<Difference> differences;
  section.compare("toy", Toy{1, false}, Toy{1, false}, differences);
  CHECK(differences.empty());
  section.compare("toy", Toy{1, false}, Toy{2, true}, differences);
  REQUIRE(differences.size() == 2);
  CHECK(differences[0].rule == ReloadRule::fixed);
  CHECK(differences[0].message == "toy.count: runs with 1, cannot become 2 while the host runs");
  CHECK(differences[1].rule == ReloadRule::changes_reader);
  CHECK(differences[1].place == "toy.flag");
}

}  // namespace config_reload_test
