#include <algorithm>

#include "config/sections.hpp"

namespace perch {
namespace {

using namespace std::chrono_literals;

std::vector<tables::FieldSpec> read_fields(ObjectReader& table, std::string_view name,
                                           ConfigProblem& problem) {
  table.require(name);
  std::vector<tables::FieldSpec> fields;
  for (const ConfigJson* element : table.elements(name)) {
    ObjectReader field(element, join_place(table.place(name), fields.size()), "field", problem);
    field.require("name");
    field.require("type");
    fields.push_back({field.text("name", ""), field.text("type", "")});
  }
  return fields;
}

tables::RetainSpec read_retain(ObjectReader& retain, ConfigProblem& problem) {
  tables::RetainSpec spec;
  if (retain.has("rows")) spec.rows = retain.integer("rows", 0, 1, 1'000'000'000'000);
  if (retain.has("age")) spec.age = retain.duration("age", 0ns, 1ms, 24h * 36500);
  if (retain.has("by")) spec.by = retain.text("by", "");
  spec.per = retain.texts("per");
  if (retain.has("per") && spec.per.empty())
    problem.report(retain.place("per"), "must name at least one field");
  return spec;
}

/// An element of "group": a field's name, or {"bucket": FIELD, "every": DURATION}.
tables::GroupSpec read_group(const ConfigJson& element, const std::string& place, ConfigProblem& problem) {
  if (element.is_string()) return {element.get<std::string>(), 0ns};
  ObjectReader bucket(&element, place, "bucket", problem);
  bucket.require("bucket");
  bucket.require("every");
  return {bucket.text("bucket", ""), bucket.duration("every", 1min, 1us, 24h * 36500)};
}

tables::RollupSpec read_rollup(ObjectReader& rollup, ConfigProblem& problem) {
  tables::RollupSpec spec;
  rollup.require("of");
  rollup.require("group");
  rollup.require("aggregate");
  spec.of = rollup.text("of", "");
  for (const ConfigJson* element : rollup.elements("group"))
    spec.group.push_back(read_group(*element, join_place(rollup.place("group"), spec.group.size()), problem));
  const ConfigJson* aggregates = rollup.object("aggregate");
  if (aggregates == nullptr) return spec;
  for (const auto& [name, call] : aggregates->items()) {
    if (call.is_string()) {
      spec.aggregates.push_back({name, call.get<std::string>()});
    } else {
      problem.report(join_place(rollup.place("aggregate"), name), "must be a text such as \"sum(size)\"");
    }
  }
  return spec;
}

/// Errors of the tables beside each other and of each one in itself; their messages name the place.
void check_tables(const std::vector<tables::TableSpec>& specs, ConfigProblem& problem) {
  std::vector<std::string> names;
  for (const auto& spec : specs) names.push_back(spec.name);
  for (const auto& spec : specs) {
    if (!spec.rollup || std::find(names.begin(), names.end(), spec.rollup->of) != names.end()) continue;
    problem.report(join_place(join_place("tables", spec.name), "rollup.of"),
                   "no table \"" + spec.rollup->of + "\"" + suggest(spec.rollup->of, "tables", names));
  }
  if (problem.found()) return;
  if (const auto made = tables::Catalog::make(specs); !made) problem.report("", made.error().message);
}

}  // namespace

std::vector<tables::TableSpec> read_tables(ObjectReader& root, ConfigProblem& problem) {
  std::vector<tables::TableSpec> specs;
  root.require("tables");
  const ConfigJson* object = root.object("tables");
  if (object == nullptr) return specs;
  if (object->empty()) problem.report("tables", "must name at least one table");
  if (object->size() > tree::tables_max) {
    problem.report("tables", "more than " + std::to_string(tree::tables_max) + " tables");
  }
  for (const auto& [name, value] : object->items()) {
    ObjectReader table(&value, join_place("tables", name), "table", problem);
    tables::TableSpec spec;
    spec.name = name;
    if (const ConfigJson* given = table.object("rollup")) {
      table.forbid("key", "a rollup's fields follow from \"group\"");
      table.forbid("value", "a rollup's fields follow from \"aggregate\"");
      ObjectReader rollup(given, table.place("rollup"), "rollup", problem);
      spec.rollup = read_rollup(rollup, problem);
    } else {
      spec.key = read_fields(table, "key", problem);
      spec.value = read_fields(table, "value", problem);
    }
    if (const ConfigJson* given = table.object("retain")) {
      ObjectReader retain(given, table.place("retain"), "retain", problem);
      spec.retain = read_retain(retain, problem);
    }
    if (problem.found()) return specs;
    specs.push_back(std::move(spec));
  }
  check_tables(specs, problem);
  return specs;
}

}  // namespace perch
