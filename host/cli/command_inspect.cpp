// perch inspect: what a plugin file says about itself. Needs no host.
#include <memory>

#include "cli/commands.hpp"
#include "cli/human_text.hpp"
#include "perch/plugin.h"
#include "plugin/elf_inspection.hpp"

namespace perch::cli {
namespace {

std::string layout_line(const std::string& label, const std::string& layout) {
  const auto parsed = tables::Layout::parse(layout);
  return "  " + label + layout + "  " + (parsed ? parsed->hash_hex() : parsed.error().message) + "\n";
}

std::string manifest_text(const plugin::Manifest& manifest) {
  std::string text = "plugin   " + manifest.id + "\nversion  " + manifest.version + "\nabi      " +
                     std::to_string(manifest.abi);
  if (manifest.host_size) {
    text += ", built with " + std::to_string(*manifest.host_size) + " bytes of perch_host (this perch has " +
            std::to_string(sizeof(perch_host)) + ")";
  }
  text += "\nstate    writes version " + std::to_string(manifest.state_version) + ", restores " +
          std::to_string(manifest.state_oldest) + " to " + std::to_string(manifest.state_version) + "\n";
  for (const tables::WantedTable& table : manifest.tables) {
    text += "table    " + table.name + "\n" + layout_line("key    ", table.key_layout) +
            layout_line("value  ", table.value_layout);
  }
  return text + "config   " + exact_text(Json::parse(manifest.config_schema)) + "\n";
}

std::string file_text(const plugin::Inspection& inspection) {
  std::string text = "note     in " + inspection.manifest.found_in + "\n";
  if (!inspection.build_id.empty()) text += "build-id " + inspection.build_id + "\n";
  for (const std::string& library : inspection.needed) text += "needs    " + exact_text(library) + "\n";
  for (const std::string& warning : inspection.warnings()) text += "warning  " + exact_text(warning) + "\n";
  return text + (inspection.refusal.empty() ? "loadable yes, into a host whose tables fit\n"
                                            : "loadable no: " + exact_text(inspection.refusal) + "\n");
}

Outcome<int> inspect(const Context& context, const std::string& file) {
  const auto inspection = plugin::inspect_file(file);
  if (!inspection) return end_with(inspection.error());
  if (context.json) {
    Json json{{"file", absolute_path(file)}};
    json.update(plugin::to_json(*inspection));
    print(json);
  } else {
    print(manifest_text(inspection->manifest) + file_text(*inspection));
  }
  return inspection->refusal.empty() ? exit_done : exit_failed;
}

}  // namespace

void add_inspect_command(CLI::App& app, Context& context) {
  CLI::App* command =
      add_command(app, "inspect", "What a plugin file says about itself; nothing of it runs, no host needed",
                  "perch inspect build/release/plugins/vwap.so");
  const auto file = std::make_shared<std::string>();
  command->add_option("FILE", *file, "The plugin's .so")->required();
  command->callback([&context, file] { context.run = [&context, file] { return inspect(context, *file); }; });
}

}  // namespace perch::cli
