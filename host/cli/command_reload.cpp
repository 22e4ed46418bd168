// perch reload
#include "cli/commands.hpp"
#include "cli/human_text.hpp"

namespace perch::cli {
namespace {

std::string names_text(const Json& names) {
  std::string text;
  for (const Json& name : names) text += (text.empty() ? "" : ", ") + exact_text(name);
  return text;
}

std::string report_text(const Json& report) {
  std::string text;
  const auto line = [&](const char* member, const char* what) {
    if (!report.at(member).empty()) text += std::string(what) + ": " + names_text(report.at(member)) + "\n";
  };
  line("added_tables", "added tables");
  line("added_sources", "added sources");
  line("removed_sources", "removed sources");
  line("changed_sources", "changed sources, begun anew");
  line("added_readers", "added readers");
  line("removed_readers", "removed readers");
  line("changed_readers", "changed readers");
  line("other", "changed");
  if (text.empty()) text = "nothing changed\n";
  for (const Json& problem : report.at("problems")) text += "PROBLEM: " + exact_text(problem) + "\n";
  return text;
}

Outcome<int> reload(const Context& context) {
  const auto report = context.call("host.reload", Json::object());
  if (!report) return end_with(report.error());
  if (context.json) {
    print(*report);
  } else {
    print(report_text(*report));
  }
  return report->at("problems").empty() ? exit_done : exit_failed;
}

}  // namespace

void add_reload_command(CLI::App& app, Context& context) {
  add_command(
      app, "reload",
      "Takes over what the host's config file says now: new tables, sources and readers, and those that are "
      "gone; all of it or, with each reason named, nothing",
      "perch reload")
      ->callback([&context] { context.run = [&context] { return reload(context); }; });
}

}  // namespace perch::cli
