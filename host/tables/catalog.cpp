#include "tables/catalog.hpp"

#include <algorithm>

#include "base/assert.hpp"
#include "base/nearest_name.hpp"
#include "tables/field_types.hpp"

namespace perch::tables {
namespace {

const Field* find_field(const std::string& name, const Layout& key, const Layout& value) {
  const Field* field = key.find(name);
  return field ? field : value.find(name);
}

std::uint32_t align_up_8(std::uint32_t bytes) noexcept { return (bytes + 7) / 8 * 8; }

Result<void> check_name(const std::string& name) {
  // The rules for names of fields are those for names of tables.
  if (Layout::make({{name, "int8"}}, false)) return {};
  return fail(ErrorKind::usage,
              "tables." + name.substr(0, 80) +
                  ": a table's name is a letter or _, then letters, digits or _, at most 64 in all");
}

tl::unexpected<Error> fail_no_field(const std::string& place, const std::string& name, const Layout& key,
                                    const Layout& value) {
  std::vector<std::string> names;
  for (const Layout* layout : {&key, &value}) {
    for (const Field& candidate : layout->fields()) names.push_back(candidate.name);
  }
  const std::string near = nearest_name(name, names);
  return fail_at(place, "the table has no field '" + name.substr(0, 80) + "'" +
                            (near.empty() ? "" : "; did you mean '" + near + "'?"));
}

Result<void> check_retain_by(const std::string& place, const std::string& by, const Layout& key,
                             const Layout& value, bool age_given) {
  const Field* field = find_field(by, key, value);
  if (!field) return fail_no_field(place + ".by", by, key, value);
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

Result<void> check_retain_per(const std::string& place, const RetainSpec& retain, const Layout& key,
                              const Layout& value) {
  if (!retain.rows) return fail_at(place, "\"per\" needs \"rows\": how many of each");
  if (retain.age) return fail_at(place, "\"per\" and \"age\" exclude each other");
  std::uint32_t bytes = 0;
  for (const std::string& name : retain.per) {
    const Field* field = find_field(name, key, value);
    if (!field) return fail_no_field(place + ".per", name, key, value);
    if (is_float(field->type) || (field->extent != 0 && field->type != FieldType::chars)) {
      return fail_at(place + ".per", "'" + name + "' is a " + field->type_text() +
                                         "; rows are counted per integer, bool, timestamp_ns or char[N]");
    }
    bytes += field->size();
  }
  constexpr std::uint32_t bytes_max = 8 * tree::key_words_max;
  if (bytes > bytes_max)
    return fail_at(place + ".per", "the fields have " + std::to_string(bytes) + " bytes; " +
                                       std::to_string(bytes_max) + " at most");
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
  if (!retain.per.empty()) {
    if (auto checked = check_retain_per(place, retain, key, value); !checked) return checked;
  }
  if (retain.by) return check_retain_by(place, *retain.by, key, value, retain.age.has_value());
  return {};
}

}  // namespace

Result<std::shared_ptr<const Table>> Table::make(const TableSpec& spec, tree::TableIndex index,
                                                 const Table* source) {
  if (auto checked = check_name(spec.name); !checked) return fail(std::move(checked.error()));
  const std::string place = "tables." + spec.name;
  auto table = std::make_shared<Table>();
  if (spec.rollup) {
    PERCH_ASSERT(source != nullptr, "a rollup is made of its source table");
    auto rollup = Rollup::make(*spec.rollup, source->key(), source->value(), place + ".rollup");
    if (!rollup) return fail(std::move(rollup.error()));
    table->rollup_ = std::move(*rollup);
  }
  const auto& key_fields = spec.rollup ? table->rollup_->key_fields() : spec.key;
  const auto& value_fields = spec.rollup ? table->rollup_->value_fields() : spec.value;
  auto key = Layout::make(key_fields, false);
  if (!key) return fail_at(place + (spec.rollup ? ".rollup.group" : ".key"), key.error().message);
  auto codec = KeyCodec::make(*key);
  if (!codec) return fail_at(place + (spec.rollup ? ".rollup.group" : ".key"), codec.error().message);
  auto value = Layout::make(value_fields, true);
  if (!value) return fail_at(place + (spec.rollup ? ".rollup.aggregate" : ".value"), value.error().message);
  if (spec.retain) {
    auto checked = check_retain(place + ".retain", *spec.retain, *key, *value);
    if (!checked) return fail(std::move(checked.error()));
  }
  table->name_ = spec.name;
  table->index_ = index;
  table->key_ = std::move(*key);
  table->value_ = std::move(*value);
  table->codec_ = std::move(*codec);
  table->retain_ = spec.retain;
  std::uint32_t bytes = table->value_.size();
  if (table->rollup_) {
    table->rollup_->lay_out(table->key_, table->value_);
    bytes = table->rollup_state_offset() + table->rollup_->state_bytes();
  }
  if (table->retain_ && !table->retains_in_key_order()) bytes = align_up_8(bytes) + 8;
  if (bytes > tree::value_bytes_max)
    return fail_at(place, "a row needs " + std::to_string(bytes) +
                              " bytes with what the host keeps beside it; " +
                              std::to_string(tree::value_bytes_max) + " at most");
  table->stored_value_bytes_ = bytes;
  return table;
}

bool Table::retains_in_key_order() const noexcept {
  return retain_ && retain_->per.empty() && retain_->by && *retain_->by == key_.fields().front().name;
}

Result<Catalog> Catalog::make(const std::vector<TableSpec>& specs) {
  Catalog catalog;
  auto tables = catalog.make_more(specs);
  if (!tables) return fail(std::move(tables.error()));
  for (TablePtr& table : *tables) catalog.add(std::move(table));
  return catalog;
}

Result<std::vector<TablePtr>> Catalog::make_more(const std::vector<TableSpec>& specs) const {
  const std::size_t there = tables().size();
  if (there + specs.size() > tree::tables_max) {
    return fail(ErrorKind::usage, "tables: " + std::to_string(there + specs.size()) + " tables; at most " +
                                      std::to_string(tree::tables_max) + " are possible");
  }
  std::vector<TablePtr> made(specs.size());
  const auto find_made = [&](std::string_view name) -> TablePtr {
    for (std::size_t i = 0; i < specs.size(); ++i) {
      if (made[i] && specs[i].name == name) return made[i];
    }
    return find(name);
  };
  for (const bool rollups : {false, true}) {  // rollups are made of tables that come first
    for (std::size_t i = 0; i < specs.size(); ++i) {
      const TableSpec& spec = specs[i];
      if (spec.rollup.has_value() != rollups) continue;
      if (find_made(spec.name)) return fail(ErrorKind::usage, "tables." + spec.name + ": is there twice");
      TablePtr source;
      if (rollups) {
        const std::string place = "tables." + spec.name + ".rollup.of";
        source = find_made(spec.rollup->of);
        if (!source)
          return fail(ErrorKind::usage, place + ": no table \"" + spec.rollup->of.substr(0, 80) + "\"");
        if (source->rollup()) {
          return fail(ErrorKind::usage, place + ": \"" + source->name() +
                                            "\" is a rollup itself; a rollup is of a table with sources");
        }
      }
      auto table = Table::make(spec, static_cast<tree::TableIndex>(there + i), source.get());
      if (!table) return fail(std::move(table.error()));
      made[i] = std::move(*table);
    }
  }
  return made;
}

Catalog Catalog::with(const std::vector<TablePtr>& more) const {
  Catalog catalog;
  for (const TablePtr& table : tables()) catalog.add(table);
  for (const TablePtr& table : more) catalog.add(table);
  return catalog;
}

void Catalog::add(TablePtr table) {
  const std::uint32_t count = slots_->count.load(std::memory_order_relaxed);  // relaxed: the only writer
  PERCH_ASSERT(table->index() == count && count < tree::tables_max, "tables are added in order");
  slots_->tables[count] = std::move(table);
  slots_->count.store(count + 1, std::memory_order_release);
}

TablePtr Catalog::find(std::string_view name) const noexcept {
  for (const TablePtr& table : tables()) {
    if (table->name() == name) return table;
  }
  return nullptr;
}

Error Catalog::unknown_table(std::string_view name) const {
  std::vector<std::string> names;
  std::string list;
  for (const TablePtr& table : tables()) {
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
