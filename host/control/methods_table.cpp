// table.*: layouts and rows, read from a pinned snapshot.
#include <algorithm>
#include <array>

#include "control/method.hpp"
#include "control/row_range.hpp"
#include "control/status_json.hpp"
#include "tables/record_json.hpp"
#include "tree/cursor.hpp"

namespace perch::control {
namespace {

constexpr std::uint64_t rows_default = 100;
constexpr std::uint64_t rows_max = 10'000;
constexpr std::size_t rows_bytes_max = std::size_t{1} << 20;  // the last row may go over it

Result<tables::TablePtr> find_table(const Call& call) {
  const std::string name = call.text("table");
  if (tables::TablePtr table = call.host.catalog.find(name)) return table;
  return fail(call.host.catalog.unknown_table(name));
}

Json retain_json(const tables::Table& table) {
  if (!table.retain()) return nullptr;
  Json retain = Json::object();
  if (table.retain()->rows) retain["rows"] = *table.retain()->rows;
  if (table.retain()->age) retain["age_ns"] = table.retain()->age->count();
  if (!table.retain()->per.empty()) retain["per"] = table.retain()->per;
  if (table.retain()->by) retain["by"] = *table.retain()->by;
  return retain;
}

Json rollup_json(const tables::Table& table) {
  if (!table.rollup()) return nullptr;
  const tables::RollupSpec& spec = table.rollup()->spec();
  Json group = Json::array();
  for (const tables::GroupSpec& one : spec.group) {
    if (one.every.count() > 0) {
      group.push_back({{"bucket", one.field}, {"every_ns", one.every.count()}});
    } else {
      group.push_back(one.field);
    }
  }
  Json aggregate = Json::object();
  for (const tables::AggregateSpec& one : spec.aggregates) aggregate[one.name] = one.call;
  return {{"of", spec.of}, {"group", std::move(group)}, {"aggregate", std::move(aggregate)}};
}

void list(const Call& call) {
  const tree::SharedSnapshot snapshot = call.host.store.reads().acquire();
  const std::vector<std::uint64_t> evicted = call.host.ingest.evicted_rows();
  const std::vector<std::uint64_t> late = call.host.ingest.late_rows();
  Json tables = Json::array();
  for (const tables::TablePtr& table : call.host.catalog.tables()) {
    tables.push_back({{"name", table->name()},
                      {"rows", snapshot->snapshot().rows(table->index())},
                      {"evicted_rows", table->index() < evicted.size() ? evicted[table->index()] : 0},
                      {"key", table->key().text()},
                      {"value", table->value().text()},
                      {"key_hash", table->key().hash_hex()},
                      {"value_hash", table->value().hash_hex()},
                      {"retain", retain_json(*table)},
                      {"rollup", rollup_json(*table)},
                      {"late_rows", table->index() < late.size() ? late[table->index()] : 0}});
  }
  call.answer(to_text(Json{{"version", snapshot->snapshot().version()}, {"tables", std::move(tables)}}));
}

void layout(const Call& call) {
  const auto table = find_table(call);
  if (!table) return call.answer(fail(table.error()));
  call.answer(to_text(Json{{"table", (*table)->name()},
                           {"key", to_json((*table)->key())},
                           {"value", to_json((*table)->value())}}));
}

/// Rows as they go into the answer: {"version":7,"rows":[{…},{…}]
class RowsText {
 public:
  explicit RowsText(tree::Version version)
      : text_(R"({"version":)" + std::to_string(version) + R"(,"rows":[)") {}
  bool is_full() const { return text_.size() >= rows_bytes_max; }
  void add(const std::string& row) {
    if (!empty_) text_ += ',';
    empty_ = false;
    text_ += row;
  }
  std::string finish(const std::string& members) { return std::move(text_) + "]" + members + "}"; }

 private:
  std::string text_;
  bool empty_ = true;
};

void get(const Call& call) {
  const auto table = find_table(call);
  if (!table) return call.answer(fail(table.error()));
  const tables::Table& t = **table;
  std::vector<std::byte> record(t.key().size());
  if (const auto read = tables::record_from_json(t.key(), *call.find("key"), record.data()); !read) {
    return call.answer(fail(ErrorKind::usage, "key: " + read.error().message, read.error().details));
  }
  std::array<std::uint64_t, tree::key_words_max> words{};
  if (!t.codec().encode(record.data(), words.data())) {
    return call.answer(fail(ErrorKind::usage, "key: NaN cannot be part of a key"));
  }
  const tree::SharedSnapshot snapshot = call.host.store.reads().acquire();
  RowsText rows(snapshot->snapshot().version());
  if (const std::byte* value = snapshot->snapshot().get(t.index(), words.data())) {
    t.codec().decode(words.data(), record.data());  // −0.0 in the request is +0.0 in the table
    rows.add(tables::row_json(t, record.data(), value));
  }
  call.answer(rows.finish(""));
}

/// The rows of the range up to the bounds; says so, with the key to go on from, when there would be more.
std::string scan_rows(const tables::Table& table, const tree::Snapshot& snapshot, const RowRange& range,
                      bool reverse, std::uint64_t limit) {
  tree::Cursor cursor(snapshot, table.index(), range.low.bound(), range.high.bound(), reverse);
  RowsText rows(snapshot.version());
  std::vector<std::byte> record(table.key().size());
  std::array<std::uint64_t, tree::key_words_max> words{};
  for (std::uint64_t count = 0;;) {
    const tree::Run run = cursor.next();
    if (run.count == 0) return rows.finish("");
    for (std::uint32_t row = 0; row < run.count; ++row, ++count) {
      if (count == limit || rows.is_full()) {
        std::string last_key;
        if (count > 0) tables::append_members(table.key(), record.data(), last_key);
        return rows.finish(R"(,"truncated":true,"last_key":{)" + last_key + "}");
      }
      run.copy_key(row, table.codec().words(), words.data());
      table.codec().decode(words.data(), record.data());
      rows.add(tables::row_json(table, record.data(),
                                run.values + static_cast<std::ptrdiff_t>(row) * run.value_stride));
    }
  }
}

void scan(const Call& call) {
  const auto table = find_table(call);
  if (!table) return call.answer(fail(table.error()));
  std::uint64_t limit = rows_default;
  if (const nlohmann::json* given = call.find("limit")) limit = given->get<std::uint64_t>();
  if (limit == 0 || limit > rows_max) {
    return call.answer(fail(ErrorKind::usage, "limit: give 1 to " + std::to_string(rows_max) +
                                                  "; go on from \"last_key\" for more rows"));
  }
  const auto range = RowRange::make(**table, {call.find("from"), call.find("to"), call.find("prefix"),
                                              call.flag("from_exclusive"), call.flag("to_exclusive")});
  if (!range) return call.answer(fail(range.error()));
  const tree::SharedSnapshot snapshot = call.host.store.reads().acquire();
  call.answer(scan_rows(**table, snapshot->snapshot(), *range, call.flag("reverse"), limit));
}

const Parameter table_name{"table", ParameterType::text, true, "the table"};

}  // namespace

std::span<const Method> table_methods() {
  static const std::vector<Method> table{
      {"table.list", "Every table with its rows, layouts and what is kept", false, {}, list},
      {"table.layout", "The fields, canonical layouts and hashes of a table", false, {table_name}, layout},
      {"table.get",
       "The row of one key: no row or one",
       false,
       {table_name, {"key", ParameterType::object, true, "every field of the key"}},
       get},
      {"table.scan",
       "Rows in key order; when more would follow, \"truncated\" is true and \"last_key\" is where to go on",
       false,
       {table_name,
        {"from", ParameterType::object, false, "leading key fields of the first row"},
        {"to", ParameterType::object, false, "leading key fields of the last row"},
        {"prefix", ParameterType::object, false, "leading key fields that all rows have"},
        {"from_exclusive", ParameterType::boolean, false, "rows equal to \"from\" are left out"},
        {"to_exclusive", ParameterType::boolean, false, "rows equal to \"to\" are left out"},
        {"reverse", ParameterType::boolean, false, "from the last row to the first"},
        {"limit", ParameterType::integer, false, "rows at most: 100 when not given, up to 10000"}},
       scan},
  };
  return table;
}

}  // namespace perch::control
