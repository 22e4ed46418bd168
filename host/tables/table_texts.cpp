#include "tables/table_texts.hpp"

namespace perch::tables {
namespace {

Result<std::vector<FieldSpec>> fields_of(const std::string& layout_text) {
  const auto layout = Layout::parse(layout_text);
  if (!layout) return fail(layout.error());
  std::vector<FieldSpec> fields;
  for (const Field& field : layout->fields()) fields.push_back({field.name, field.type_text()});
  return fields;
}

}  // namespace

nlohmann::ordered_json to_texts(const Catalog& catalog) {
  nlohmann::ordered_json tables = nlohmann::ordered_json::array();
  for (const TablePtr& table : catalog.tables()) {
    tables.push_back(
        {{"name", table->name()}, {"key", table->key().text()}, {"value", table->value().text()}});
  }
  return tables;
}

Result<Catalog> from_texts(const nlohmann::ordered_json& texts) {
  std::vector<TableSpec> specs;
  for (const auto& table : texts) {
    if (!table.is_object()) return fail("a table that is no object");
    auto key = fields_of(table.value("key", ""));
    if (!key) return fail(key.error());
    auto value = fields_of(table.value("value", ""));
    if (!value) return fail(value.error());
    specs.push_back({table.value("name", ""), std::move(*key), std::move(*value), {}});
  }
  return Catalog::make(specs);
}

}  // namespace perch::tables
