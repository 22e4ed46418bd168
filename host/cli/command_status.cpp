// perch status
#include "base/text_table.hpp"
#include "base/units.hpp"
#include "cli/commands.hpp"
#include "cli/human_text.hpp"

namespace perch::cli {
namespace {

std::string head_text(const Json& status) {
  const Json& commits = status.at("commits");
  const Json& memory = status.at("memory");
  const auto line = [](const std::string& label, const std::string& text) {
    constexpr std::size_t label_width = 10;
    return label + std::string(label_width - label.size(), ' ') + text + "\n";
  };
  std::string text =
      line("host", exact_text(status.at("name")) + ", perchd " + exact_text(status.at("version")) + ", pid " +
                       exact_text(status.at("pid")) + ", up " + duration_text(status.at("uptime_ns")));
  text += line("version", count_text(status.at("published_version")) + " published, " +
                              count_text(commits.at("rows")) + " rows committed");
  text +=
      line("gaps", "between commits while rows were there: p50 " + duration_text(commits.at("gap_p50_ns")) +
                       ", p99 " + duration_text(commits.at("gap_p99_ns")) + ", p99.9 " +
                       duration_text(commits.at("gap_p999_ns")) + ", longest " +
                       duration_text(commits.at("longest_gap_ns")));
  text += line("memory",
               size_text(memory.at("live_bytes")) + " live, " + size_text(memory.at("retained_bytes")) +
                   " retained, " + size_text(memory.at("free_bytes")) + " free, " +
                   size_text(memory.at("committed_bytes")) + " of " + size_text(memory.at("reserved_bytes")) +
                   " committed (" + size_text(memory.at("huge_bytes")) + " in huge pages)");
  const Json& process = status.at("process");
  text += line("process", size_text(process.at("heap_bytes")) + " beside the arena, " +
                              count_text(process.at("threads")) + " threads, " +
                              count_text(process.at("descriptors")) + " descriptors");
  const Json& log = status.at("log");
  text += line("log", "level " + exact_text(log.at("level")) + ", " + count_text(log.at("dropped")) +
                          " messages dropped");
  for (const Json& reason : status.at("degraded")) text += line("DEGRADED", exact_text(reason));
  if (!status.at("degraded").empty()) text += line("", "restart the host when convenient");
  if (commits.at("out_of_room").get<bool>()) {
    text += line("FULL", "as of when it filled up: " + exact_text(commits.at("out_of_room_reason")));
  }
  return text;
}

std::string tables_part(const Json& tables) {
  TextTable table({{"TABLE"}, {"ROWS", Align::right}, {"EVICTED", Align::right}});
  for (const Json& each : tables) {
    table.add_row(
        {exact_text(each.at("name")), count_text(each.at("rows")), count_text(each.at("evicted_rows"))});
  }
  return table.empty() ? "no tables\n" : table.text();
}

std::string sources_part(const Json& sources) {
  TextTable table({{"SOURCE"}, {"STATE"}, {"ROWS", Align::right}, {"REJECTS", Align::right}});
  for (const Json& each : sources) {
    table.add_row({exact_text(each.at("name")), exact_text(each.at("state")), count_text(each.at("rows")),
                   count_text(each.at("rejects"))});
  }
  return table.empty() ? "no sources\n" : table.text();
}

std::string readers_part(const Json& readers) {
  TextTable table({{"READER"}, {"PLUGIN"}, {"STATE"}, {"LAST ERROR"}});
  for (const Json& each : readers) {
    table.add_row({exact_text(each.at("name")),
                   exact_text(each.at("plugin")) + " " + exact_text(each.at("plugin_version")),
                   exact_text(each.at("state")), exact_text(each.at("last_error"))});
  }
  return table.empty() ? "no readers\n" : table.text();
}

std::string holders_text(const Json& holders) {
  std::string text;
  for (const Json& holder : holders) {
    text += (text.empty() ? "" : ", ") + exact_text(holder.at("reader")) + " (generation " +
            exact_text(holder.at("generation")) + ": " + exact_text(holder.at("what")) + ")";
  }
  return text.empty() ? "given up since the writer looked" : text;
}

std::string snapshots_text(const Json& snapshots) {
  TextTable table(
      {{"SNAPSHOT", Align::right}, {"PINNED FOR", Align::right}, {"RETAINS", Align::right}, {"BY"}});
  for (const Json& each : snapshots) {
    const Json& age = each.at("age_ns");
    table.add_row({count_text(each.at("version")), age.is_null() ? "" : duration_text(age),
                   size_text(each.at("bytes")), holders_text(each.at("holders"))});
  }
  return table.empty() ? "no pinned snapshots\n" : table.text();
}

Outcome<int> status(const Context& context) {
  const auto status = context.call("host.status", Json::object());
  if (!status) return end_with(status.error());
  if (context.json) {
    print(*status);
  } else {
    print(head_text(*status) + "\n" + tables_part(status->at("tables")) + "\n" +
          sources_part(status->at("sources")) + "\n" + readers_part(status->at("readers")) + "\n" +
          snapshots_text(status->at("snapshots")));
  }
  return exit_done;
}

}  // namespace

void add_status_command(CLI::App& app, Context& context) {
  add_command(app, "status",
              "The host at a glance: version, memory, tables, sources, readers, pinned snapshots",
              "perch status")
      ->callback([&context] { context.run = [&context] { return status(context); }; });
}

}  // namespace perch::cli
