// perch sources, tables, layout
#include <cstdio>
#include <memory>

#include "base/text_table.hpp"
#include "base/units.hpp"
#include "cli/c_header.hpp"
#include "cli/commands.hpp"
#include "cli/cpp_header.hpp"
#include "cli/human_text.hpp"

namespace perch::cli {
namespace {

std::string tables_of(const Json& source) {
  std::string text;
  for (const Json& table : source.at("tables")) text += (text.empty() ? "" : ",") + exact_text(table);
  return text;
}

/// The state and, of a listener, how many are connected.
std::string state_of(const Json& source) {
  const std::string state = exact_text(source.at("state"));
  const std::string type = exact_text(source.at("type"));
  if (type != "tcp" && type != "unix") return state;
  return state + " (" + count_text(source.at("connections")) + ")";
}

/// What is there to be read, and how long the oldest row that is read has waited.
std::string behind_text(const Json& source) {
  const auto bytes = source.at("lag_bytes").get<std::uint64_t>();
  const auto ns = source.at("lag_ns").get<std::int64_t>();
  if (bytes == 0 && ns == 0) return "-";
  return format_size(bytes) + ", " + duration_text(source.at("lag_ns"));
}

std::string sources_text(const Json& sources) {
  TextTable table({{"SOURCE"},
                   {"INPUT"},
                   {"TABLES"},
                   {"STATE"},
                   {"ROWS", Align::right},
                   {"READ", Align::right},
                   {"REJECTS", Align::right},
                   {"RESTARTS", Align::right},
                   {"QUEUE", Align::right},
                   {"BEHIND"},
                   {"TO COMMIT (p50/p99)", Align::right}});
  std::string notes;
  for (const Json& source : sources) {
    const std::string name = exact_text(source.at("name"));
    table.add_row(
        {name, exact_text(source.at("type")) + " " + exact_text(source.at("format")), tables_of(source),
         state_of(source), count_text(source.at("rows")),
         format_size(source.at("bytes").get<std::uint64_t>()), count_text(source.at("rejects")),
         count_text(source.at("restarts")),
         exact_text(source.at("queued_batches")) + "/" + exact_text(source.at("queue_capacity")),
         behind_text(source),
         duration_text(source.at("latency_p50_ns")) + "/" + duration_text(source.at("latency_p99_ns"))});
    for (const auto& [reason, count] : source.at("rejects_by_reason").items()) {
      notes += name + ": rejected, " + exact_text(Json(reason)) + ": " + count_text(count) + "\n";
    }
    if (source.at("rejects_not_logged") != 0)
      notes += name + ": rejected and not in the reject log, which could not be written: " +
               count_text(source.at("rejects_not_logged")) + "\n";
    if (source.at("skipped") != 0)
      notes += name + ": fed no table: " + count_text(source.at("skipped")) + " rows\n";
    if (source.at("connections_refused") != 0)
      notes += name + ": connections closed beyond connections_max: " +
               count_text(source.at("connections_refused")) + "\n";
    if (const std::string error = exact_text(source.at("last_error")); !error.empty())
      notes += name + ": " + error + "\n";
  }
  if (table.empty()) return "no sources\n";
  return table.text() + (notes.empty() ? "" : "\n" + notes);
}

std::string retain_text(const Json& retain) {
  if (retain.is_null()) return "all";
  std::string text;
  if (retain.contains("rows")) text += count_text(retain["rows"]) + " rows";
  if (retain.contains("age_ns")) {
    text += (text.empty() ? "" : ", ") +
            format_duration(std::chrono::nanoseconds(retain["age_ns"].get<std::int64_t>()));
  }
  if (retain.contains("per")) {
    text += " per ";
    for (const Json& field : retain["per"]) text += (text.ends_with(' ') ? "" : "+") + exact_text(field);
  }
  if (retain.contains("by")) text += " by " + exact_text(retain["by"]);
  return text;
}

std::string tables_text(const Json& tables) {
  TextTable table({{"TABLE"},
                   {"OF"},
                   {"ROWS", Align::right},
                   {"EVICTED", Align::right},
                   {"LATE", Align::right},
                   {"KEEPS"},
                   {"KEY"},
                   {"VALUE"}});
  for (const Json& each : tables) {
    const Json& rollup = each.at("rollup");
    table.add_row({exact_text(each.at("name")), rollup.is_null() ? "-" : exact_text(rollup.at("of")),
                   count_text(each.at("rows")), count_text(each.at("evicted_rows")),
                   rollup.is_null() ? "-" : count_text(each.at("late_rows")), retain_text(each.at("retain")),
                   exact_text(each.at("key")), exact_text(each.at("value"))});
  }
  return table.empty() ? "no tables\n" : table.text();
}

/// Calls a method and prints the member of its result that holds the list.
Outcome<int> show_list(const Context& context, const std::string& method, const char* member,
                       std::string (*text)(const Json&)) {
  const auto result = context.call(method, Json::object());
  if (!result) return end_with(result.error());
  if (context.json) {
    print(*result);
  } else {
    print(text(result->at(member)));
  }
  return exit_done;
}

std::string layout_text(const Json& layout) {
  std::string text = "table " + exact_text(layout.at("table")) + "\n";
  for (const char* part : {"key", "value"}) {
    const Json& record = layout.at(part);
    text += std::string(part) + std::string(6 - std::string(part).size(), ' ') +
            exact_text(record.at("layout")) + "  " + exact_text(record.at("hash")) + "\n";
  }
  return text;
}

Outcome<int> print_header(const std::string& header, const std::vector<std::string>& unusable) {
  print(header);
  for (const std::string& name : unusable)
    std::fprintf(stderr, "perch: %s\n", unusable_field_text(name).c_str());
  return unusable.empty() ? exit_done : exit_failed;
}

struct LayoutOptions {
  std::string table;
  bool cpp = false;
  bool c = false;
};

Outcome<int> layout(const Context& context, const LayoutOptions& options) {
  const auto result = context.call("table.layout", {{"table", options.table}});
  if (!result) return end_with(result.error());
  std::vector<std::string> unusable;
  if (options.cpp) return print_header(cpp_header(*result, unusable), unusable);
  if (options.c) return print_header(c_header(*result, unusable), unusable);
  if (context.json) {
    print(*result);
  } else {
    print(layout_text(*result));
  }
  return exit_done;
}

}  // namespace

void add_table_commands(CLI::App& app, Context& context) {
  add_command(app, "sources", "Every source: state, rows, rejects by reason", "perch sources")
      ->callback([&context] {
        context.run = [&context] { return show_list(context, "source.list", "sources", sources_text); };
      });
  add_command(app, "tables", "Every table: rows, layouts, what is kept", "perch tables")
      ->callback([&context] {
        context.run = [&context] { return show_list(context, "table.list", "tables", tables_text); };
      });
  CLI::App* command =
      add_command(app, "layout", "A table's layouts and their hashes, or the header that a plugin includes",
                  "perch layout trades --cpp > trades.hpp");
  const auto options = std::make_shared<LayoutOptions>();
  command->add_option("TABLE", options->table, "The table")->required();
  CLI::Option* cpp =
      command->add_flag("--cpp", options->cpp, "Print the header that a plugin in C++ includes");
  command->add_flag("--c", options->c, "Print the header that a plugin in C includes")->excludes(cpp);
  command->callback(
      [&context, options] { context.run = [&context, options] { return layout(context, *options); }; });
}

}  // namespace perch::cli
