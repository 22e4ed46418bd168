// table.*: layouts and rows, read from a pinned snapshot.
#include "control/method.hpp"
#include "control/status_json.hpp"
#include "tables/row_query.hpp"

namespace perch::control {
namespace {

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

void list_tables(const Call& call) {
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

void get(const Call& call) {
  const auto table = find_table(call);
  if (!table) return call.answer(fail(table.error()));
  const tree::SharedSnapshot snapshot = call.host.store.reads().acquire();
  call.answer(tables::get_rows(**table, snapshot->snapshot(), *call.find("key")));
}

void scan(const Call& call) {
  const auto table = find_table(call);
  if (!table) return call.answer(fail(table.error()));
  tables::ScanRequest request{{call.find("from"), call.find("to"), call.find("prefix"),
                               call.flag("from_exclusive"), call.flag("to_exclusive")},
                              call.flag("reverse")};
  if (const nlohmann::json* given = call.find("limit")) request.limit = given->get<std::uint64_t>();
  const tree::SharedSnapshot snapshot = call.host.store.reads().acquire();
  call.answer(tables::scan_rows(**table, snapshot->snapshot(), request));
}

const Parameter table_name{"table", ParameterType::text, true, "the table"};

}  // namespace

std::span<const Method> table_methods() {
  static const std::vector<Method> table{
      {"table.list", "Every table with its rows, layouts and what is kept", false, {}, list_tables},
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
