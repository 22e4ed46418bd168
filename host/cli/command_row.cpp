// perch get, scan
#include <algorithm>
#include <cstdio>
#include <memory>
#include <set>

#include "base/text_table.hpp"
#include "base/units.hpp"
#include "cli/commands.hpp"
#include "cli/field_arguments.hpp"
#include "cli/human_text.hpp"
#include "cli/row_reader.hpp"

namespace perch::cli {
namespace {

using Arguments = std::vector<std::string>;

bool is_number_type(const std::string& type) {
  return type.find('[') == std::string::npos && type != "bool" && type != "timestamp_ns";
}

/// A row's columns as table.layout tells them: those of the key, then those of the value, whose names get
/// "value." before them when the key has them too.
struct RowColumns {
  explicit RowColumns(const Json& layout) {
    std::set<std::string> taken;
    for (const char* part : {"key", "value"}) {
      for (const Json& field : layout.at(part).at("fields")) {
        std::string name = field.at("name").get<std::string>();
        const auto type = field.at("type").get<std::string>();
        if (part == std::string_view("value") && taken.contains(name)) name = "value." + name;
        taken.insert(name);
        if (type == "timestamp_ns") times.insert(name);
        columns.push_back({name, is_number_type(type) ? Align::right : Align::left});
      }
    }
  }

  std::string cell(const std::string& name, const Json& value) const {
    return times.contains(name) && value.is_number_integer() ? format_utc(value.get<std::int64_t>())
                                                             : exact_text(value);
  }

  std::vector<TextColumn> columns;
  std::set<std::string> times;
};

std::string rows_text(const Json& layout, const Json& rows) {
  const RowColumns format(layout);
  TextTable table(format.columns);
  for (const Json& row : rows) {
    std::vector<std::string> cells;
    for (const TextColumn& column : format.columns)
      cells.push_back(format.cell(column.title, row.at(column.title)));
    table.add_row(std::move(cells));
  }
  return table.text();
}

struct GetOptions {
  std::string table;
  Arguments key;
};

Outcome<int> get(const Context& context, const GetOptions& options) {
  const Deadline deadline = context.deadline();
  auto rows = RowReader::open(context.socket, options.table, deadline);
  if (!rows) return end_with(rows.error());
  const auto key = key_from_arguments(rows->layout().at("key").at("fields"), options.key);
  if (!key) return end_with(key.error());
  const auto result = rows->get(*key, deadline);
  if (!result) return end_with(result.error());
  if (context.json) print(*result);
  if (result->at("rows").empty()) {
    std::fprintf(stderr, "perch: table %s has no such row\n", options.table.c_str());
    return exit_failed;
  }
  if (!context.json) print(rows_text(rows->layout(), result->at("rows")));
  return exit_done;
}

struct ScanOptions {
  std::string table;
  Arguments from, to, prefix;
  bool from_exclusive = false, to_exclusive = false, reverse = false;
  std::uint64_t limit = 100;
};

Outcome<Json> scan_params(const ScanOptions& options, const Json& key_fields) {
  Json params{{"reverse", options.reverse}};
  const std::pair<const char*, const Arguments*> bounds[]{
      {"from", &options.from}, {"to", &options.to}, {"prefix", &options.prefix}};
  for (const auto& [name, arguments] : bounds) {
    if (arguments->empty()) continue;
    auto key = key_from_arguments(key_fields, *arguments);
    if (!key) return key;
    params[name] = std::move(*key);
  }
  if (options.from_exclusive) params["from_exclusive"] = true;
  if (options.to_exclusive) params["to_exclusive"] = true;
  return params;
}

/// Prints one answer. JSON: a row a line.
void print_rows(const Context& context, const Json& layout, const Json& rows) {
  if (!context.json) return print(rows_text(layout, rows));
  std::string lines;
  for (const Json& row : rows) lines += row.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  print(lines);
}

Outcome<int> scan(const Context& context, const ScanOptions& options) {
  const Deadline deadline = context.deadline();
  auto reader = RowReader::open(context.socket, options.table, deadline);
  if (!reader) return end_with(reader.error());
  auto params = scan_params(options, reader->layout().at("key").at("fields"));
  if (!params) return end_with(params.error());
  constexpr std::uint64_t rows_per_request_max = 10'000;
  for (std::uint64_t left = options.limit;;) {
    (*params)["limit"] = std::min(left, rows_per_request_max);
    const auto result = reader->scan(*params, deadline);
    if (!result) return end_with(result.error());
    const Json& rows = result->at("rows");
    print_rows(context, reader->layout(), rows);
    left -= std::min<std::uint64_t>(left, rows.size());
    if (!result->value("truncated", false)) return exit_done;
    if (left == 0) break;
    // Through the socket other requests see other versions: rows stay in order, none comes twice.
    (*params)[options.reverse ? "to" : "from"] = result->at("last_key");
    (*params)[options.reverse ? "to_exclusive" : "from_exclusive"] = true;
  }
  if (!context.json) std::fprintf(stderr, "… there are more rows (--limit)\n");
  return exit_done;
}

void add_get(CLI::App& app, Context& context) {
  CLI::App* command = add_command(app, "get", "The row of one key", "perch get trades symbol=AAPL seq=17");
  const auto options = std::make_shared<GetOptions>();
  command->add_option("TABLE", options->table, "The table")->required();
  command->add_option("KEY", options->key, "field=value, for every field of the key")->required();
  command->callback(
      [&context, options] { context.run = [&context, options] { return get(context, *options); }; });
}

void add_scan(CLI::App& app, Context& context) {
  CLI::App* command =
      add_command(app, "scan", "Rows in key order; leading fields of the key are enough for a bound",
                  "perch scan trades --prefix symbol=AAPL --reverse --limit 10");
  const auto options = std::make_shared<ScanOptions>();
  command->add_option("TABLE", options->table, "The table")->required();
  command->add_option("--from", options->from, "field=value …: the first rows to show");
  command->add_option("--to", options->to, "field=value …: the last rows to show");
  command->add_option("--prefix", options->prefix, "field=value …: only rows that have these");
  command->add_flag("--from-exclusive", options->from_exclusive, "Leave out rows equal to --from");
  command->add_flag("--to-exclusive", options->to_exclusive, "Leave out rows equal to --to");
  command->add_flag("--reverse", options->reverse, "From the last row to the first");
  command->add_option("--limit", options->limit, "Rows at most")
      ->check(count_validator())
      ->capture_default_str();
  command->callback(
      [&context, options] { context.run = [&context, options] { return scan(context, *options); }; });
}

}  // namespace

void add_row_commands(CLI::App& app, Context& context) {
  add_get(app, context);
  add_scan(app, context);
}

}  // namespace perch::cli
