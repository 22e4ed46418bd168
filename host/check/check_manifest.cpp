// The manifest: there, valid, where it should be.
#include <algorithm>

#include "base/text.hpp"
#include "check/check.hpp"
#include "check/sample_tables.hpp"
#include "plugin/config_schema.hpp"
#include "plugin/plugin_file.hpp"

namespace perch::check {
namespace {

/// Dropped into the folder a plugin runs with {}.
void judge_schema(const plugin::Manifest& manifest, CheckReport& report) {
  const auto empty = plugin::check_config(manifest, "{}");
  if (empty) return;
  if (empty.error().kind != ErrorKind::usage) {
    return report.fail("its config schema cannot be used: " + full_text(empty.error()), "mend the schema");
  }
  report.warn(
      "the config schema requires a config; dropped into the folder without one, the plugin is refused: " +
          full_text(empty.error()),
      "give the members defaults, or tell users to name an instance in the host's config");
}

std::string tables_text(const plugin::Manifest& manifest) {
  std::string names;
  for (const auto& table : manifest.tables) names += (names.empty() ? "" : ", ") + table.name;
  return names.empty() ? "no table" : names;
}

}  // namespace

void check_manifest(CheckContext& context) {
  CheckReport& report = context.report;
  report.now("reading the manifest");
  const auto file = plugin::PluginFile::open(context.options.file);
  if (!file) {
    const Error& error = file.error();
    std::string advice = error.kind == ErrorKind::incompatible
                             ? "rebuild the plugin with this host's SDK"
                             : "build it with perch_add_plugin (CMake), which puts the manifest in";
    report.fail(error.message, advice);
    report.measure("kind", to_string(error.kind));
    report.done("no plugin for this host");
    return;
  }
  const plugin::Manifest& manifest = file->manifest();
  if (manifest.found_in.find("segment") == std::string::npos) {
    report.warn(
        "the manifest lies in " + manifest.found_in + " only, in no PT_NOTE segment: strip can lose it",
        "link without a linker script that drops segments; do not run patchelf on the plugin");
  } else if (manifest.found_in.find("section") == std::string::npos) {
    report.note("the section headers are gone (strip); the manifest was found in " + manifest.found_in);
  }
  if (manifest.tables.empty()) {
    report.warn("the plugin reads no table: its steps tell it nothing but that something was committed");
  }
  // No host can have a key over 64 bytes, say.
  if (const auto possible = SampleTables::make(manifest, Records::as_built, Values::odd, 0); !possible) {
    report.fail(possible.error().message, "a host has no such table");
  }
  judge_schema(manifest, report);
  report.measure("id", manifest.id);
  report.measure("version", manifest.version);
  report.done(manifest.id + " " + manifest.version + ", interface " + std::to_string(manifest.abi) +
              ", reads " + tables_text(manifest));
}

}  // namespace perch::check
