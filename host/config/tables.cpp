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

tables::RetainSpec read_retain(ObjectReader& retain) {
  tables::RetainSpec spec;
  if (retain.has("rows")) spec.rows = retain.integer("rows", 0, 1, 1'000'000'000'000);
  if (retain.has("age")) spec.age = retain.duration("age", 0ns, 1ms, 24h * 36500);
  if (retain.has("by")) spec.by = retain.text("by", "");
  return spec;
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
    spec.key = read_fields(table, "key", problem);
    spec.value = read_fields(table, "value", problem);
    if (const ConfigJson* given = table.object("retain")) {
      ObjectReader retain(given, table.place("retain"), "retain", problem);
      spec.retain = read_retain(retain);
    }
    if (problem.found()) return specs;
    const auto made = tables::Table::make(spec, static_cast<tree::TableIndex>(specs.size()));
    if (!made) problem.report("", made.error().message);  // it names the place
    specs.push_back(std::move(spec));
  }
  return specs;
}

}  // namespace perch
