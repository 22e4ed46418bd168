#include "tables/catalog.hpp"

#include <algorithm>

#include "base/nearest_name.hpp"

namespace perch::tables {
namespace {

std::uint32_t align_up_8(std::uint32_t bytes) noexcept { return (bytes + 7) / 8 * 8; }

tl::unexpected<Error> fail_at(const std::string& place, const std::string& message) {
  return fail(ErrorKind::usage, place + ": " + message);
}

Result<void> check_name(const std::string& name) {
  // The rules for names of fields are those for names of tables.
  if (Layout::make({{name, "int8"}}, false)) return {};
  return fail(ErrorKind::usage,
              "tables." + name.substr(0, 80) +
                  ": a table's name is a letter or _, then letters, digits or _, at most 64 in all");
}

Result<void> check_retain_by(const std::string& place, const std::string& by, const Layout& key,
                             const Layout& value, bool age_given) {
  const Field* field = key.find(by) ? key.find(by) : value.find(by);
  if (!field) {
    std::vector<std::string> names;
    for (const Layout* layout : {&key, &value}) {
      for (const Field& candidate : layout->fields()) names.push_back(candidate.name);
    }
    const std::string near = nearest_name(by, names);
    return fail_at(place + ".by", "the table has no field '" + by.substr(0, 80) + "'" +
                                      (near.empty() ? "" : "; did you mean '" + near + "'?"));
  }
  if (field->extent != 0 || field->type == FieldType::boolean) {
    return fail_at(place + ".by", "field '" + by + "' is a " + field->type_text() +
                                      "; it must be a single number or timestamp_ns");
  }
  if (age_given && field->type != FieldType::timestamp_ns) {
    return fail_at(place + ".by", "field '" + by + "' is a " + field->type_text() +
                                      "; with \"age\" it must be a timestamp_ns");
  }
  return {};
}

Result<void> check_retain(const std::string& place, const RetainSpec& retain, const Layout& key,
                          const Layout& value) {
  if (!retain.rows && !retain.age) return fail_at(place, R"(give "rows" or "age" (or both))");
  if (retain.rows && *retain.rows == 0) return fail_at(place + ".rows", "must be at least 1");
  if (retain.age && retain.age->count() <= 0) return fail_at(place + ".age", "must be more than 0");
  if (retain.age && !retain.by) {
    return fail_at(place, R"("age" needs "by", the timestamp_ns field that tells how old a row is)");
  }
  if (retain.by) return check_retain_by(place, *retain.by, key, value, retain.age.has_value());
  return {};
}

}  // namespace

Result<std::shared_ptr<const Table>> Table::make(const TableSpec& spec, tree::TableIndex index) {
  if (auto checked = check_name(spec.name); !checked) return fail(std::move(checked.error()));
  const std::string place = "tables." + spec.name;
  auto key = Layout::make(spec.key, false);
  if (!key) return fail_at(place + ".key", key.error().message);
  auto codec = KeyCodec::make(*key);
  if (!codec) return fail_at(place + ".key", codec.error().message);
  auto value = Layout::make(spec.value, true);
  if (!value) return fail_at(place + ".value", value.error().message);
  if (spec.retain) {
    auto checked = check_retain(place + ".retain", *spec.retain, *key, *value);
    if (!checked) return fail(std::move(checked.error()));
  }
  auto table = std::make_shared<Table>();
  table->name_ = spec.name;
  table->index_ = index;
  table->key_ = std::move(*key);
  table->value_ = std::move(*value);
  table->codec_ = std::move(*codec);
  table->retain_ = spec.retain;
  const std::uint32_t value_bytes = table->value_.size();
  const bool has_number = table->retain_ && !table->retains_in_key_order();
  table->stored_value_bytes_ = has_number ? align_up_8(value_bytes) + 8 : value_bytes;
  return table;
}

bool Table::retains_in_key_order() const noexcept {
  return retain_ && retain_->by && *retain_->by == key_.fields().front().name;
}

Result<Catalog> Catalog::make(const std::vector<TableSpec>& specs) {
  if (specs.size() > tree::tables_max) {
    return fail(ErrorKind::usage, "tables: " + std::to_string(specs.size()) + " tables; at most " +
                                      std::to_string(tree::tables_max) + " are possible");
  }
  Catalog catalog;
  for (const TableSpec& spec : specs) {
    if (catalog.find(spec.name)) return fail(ErrorKind::usage, "tables." + spec.name + ": is there twice");
    auto table = Table::make(spec, static_cast<tree::TableIndex>(catalog.tables_.size()));
    if (!table) return fail(std::move(table.error()));
    catalog.tables_.push_back(std::move(*table));
  }
  return catalog;
}

TablePtr Catalog::find(std::string_view name) const noexcept {
  const auto table =
      std::find_if(tables_.begin(), tables_.end(), [&](const TablePtr& t) { return t->name() == name; });
  return table == tables_.end() ? nullptr : *table;
}

Error Catalog::unknown_table(std::string_view name) const {
  std::vector<std::string> names;
  std::string list;
  for (const TablePtr& table : tables_) {
    names.push_back(table->name());
    list += (list.empty() ? "" : ", ") + table->name();
  }
  const std::string near = nearest_name(name, names);
  return {ErrorKind::not_found,
          "no table '" + std::string(name.substr(0, 80)) + "'" +
              (near.empty() ? "" : "; did you mean '" + near + "'?") + " (tables: " + list + ")",
          {}};
}

}  // namespace perch::tables
