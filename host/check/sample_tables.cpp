#include "check/sample_tables.hpp"

#include <algorithm>
#include <cstring>

#include "base/assert.hpp"

namespace perch::check {
namespace {

constexpr std::uint64_t arena_bytes = std::uint64_t{1} << 30;  // reserved; committed as it is used
constexpr std::uint32_t grown_bytes = 16;
constexpr std::uint32_t value_bytes_max = 4096;

std::vector<tables::FieldSpec> specs_of(const tables::Layout& layout) {
  std::vector<tables::FieldSpec> specs;
  for (const tables::Field& field : layout.fields()) specs.push_back({field.name, field.type_text()});
  return specs;
}

Result<tables::TableSpec> table_spec(const tables::WantedTable& table, Records records) {
  const auto key = tables::Layout::parse(table.key_layout);
  const auto value = tables::Layout::parse(table.value_layout);
  if (!key) return fail(key.error());
  if (!value) return fail(value.error());
  tables::TableSpec spec{table.name, specs_of(*key), specs_of(*value), {}};
  if (records == Records::grown && value->size() + grown_bytes <= value_bytes_max) {
    for (const char* const name : {"perch_check_more", "perch_check_still_more"}) {
      if (value->find(name) == nullptr) spec.value.push_back({name, "uint64"});
    }
  }
  return spec;
}

}  // namespace

Result<std::unique_ptr<SampleTables>> SampleTables::make(const plugin::Manifest& manifest, Records records,
                                                         Values values, std::uint64_t seed) {
  std::vector<tables::TableSpec> specs;
  std::vector<tables::Layout> built_values;
  for (const auto& table : manifest.tables) {
    auto spec = table_spec(table, records);
    if (!spec) return fail(spec.error());
    specs.push_back(std::move(*spec));
    built_values.push_back(tables::Layout::parse(table.value_layout).value());
  }
  auto catalog = tables::Catalog::make(specs);
  if (!catalog) return fail(catalog.error());
  auto store = tree::Store::create({.arena_bytes = arena_bytes, .huge_pages = false});
  if (!store) return fail(store.error());
  return std::unique_ptr<SampleTables>(new SampleTables(std::move(*catalog), std::move(built_values),
                                                        std::move(*store), SampleValues(seed, values)));
}

SampleTables::SampleTables(tables::Catalog catalog, std::vector<tables::Layout> built_values,
                           std::unique_ptr<tree::Store> store, SampleValues values)
    : catalog_(std::move(catalog)),
      built_values_(std::move(built_values)),
      store_(std::move(store)),
      writer_(*store_, catalog_),
      values_(std::move(values)),
      keys_(catalog_.tables().size()) {}

/// Inserts the row or replaces it.
void SampleTables::put(std::size_t index, const std::vector<std::uint64_t>& key) {
  const tables::Table& table = *catalog_.tables()[index];
  std::vector<std::byte> value(table.value().size());
  // What has grown follows from the rest: whatever the records, the plugin's own fields are the same, and so
  // are its changes.
  const tables::Layout& built = built_values_[index];
  values_.fill_value(built, value.data());
  const std::uint64_t more = tables::fnv1a_64({reinterpret_cast<const char*>(value.data()), built.size()});
  for (const tables::Field& field : table.value().fields()) {
    if (built.find(field.name) == nullptr) std::memcpy(value.data() + field.offset, &more, field.size());
  }
  writer_.upsert(table.index(), key.data(), value.data());
}

void SampleTables::insert(std::size_t index, std::uint64_t rows) {
  const tables::Table& table = *catalog_.tables()[index];
  std::vector<std::byte> record(table.key().size());
  std::vector<std::uint64_t> key(table.codec().words());
  for (std::uint64_t row = 0; row < rows && writer_.has_room(); ++row) {
    values_.fill_key(table.key(), record.data());
    const bool is_encoded = table.codec().encode(record.data(), key.data());
    PERCH_ASSERT(is_encoded, "a sample key that is NaN");
    const bool is_new = store_->find(table.index(), key.data()) == nullptr;
    put(index, key);
    if (is_new) keys_[index].push_back(key);
  }
}

void SampleTables::insert_everywhere(std::uint64_t rows) {
  for (std::size_t index = 0; index < table_count(); ++index) insert(index, rows);
}

void SampleTables::remove(std::size_t index, std::size_t row) {
  Keys& keys = keys_[index];
  const bool was_there = writer_.erase(catalog_.tables()[index]->index(), keys[row].data());
  PERCH_ASSERT(was_there, "a sample row that is not there");
  std::swap(keys[row], keys.back());
  keys.pop_back();
}

void SampleTables::change(std::uint64_t count) {
  for (std::size_t index = 0; index < table_count(); ++index) {
    for (std::uint64_t i = 0; i < count && writer_.has_room(); ++i) {
      Keys& keys = keys_[index];
      const std::uint64_t kind = values_.below(4);
      if (keys.empty() || kind == 0) {
        insert(index, 1);
      } else if (kind == 1) {
        remove(index, values_.below(keys.size()));
      } else {
        put(index, keys[values_.below(keys.size())]);
      }
    }
  }
}

void SampleTables::clear(std::size_t index) {
  while (!keys_[index].empty() && writer_.has_room()) remove(index, keys_[index].size() - 1);
}

void SampleTables::clear_everywhere() {
  for (std::size_t index = 0; index < table_count(); ++index) clear(index);
}

tree::Version SampleTables::commit() {
  time_ns_ += 1'000'000;
  return writer_.commit(time_ns_, {});
}

}  // namespace perch::check
