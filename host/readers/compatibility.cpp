// Does a plugin fit the host's tables? Answered from texts alone, before any of its code is loaded.
#include <algorithm>

#include "base/nearest_name.hpp"
#include "perch/plugin.h"
#include "readers/manifest.hpp"

namespace perch::readers {
namespace {

using tables::Field;
using tables::Layout;

std::string shape(const Field& field) { return field.type_text() + " @" + std::to_string(field.offset); }

const Field* field_at(const Layout& layout, std::uint32_t offset) {
  const auto& fields = layout.fields();
  const auto found =
      std::find_if(fields.begin(), fields.end(), [&](const Field& f) { return f.offset == offset; });
  return found == fields.end() ? nullptr : &*found;
}

/// One line for each field of the plugin that the host has not, or has elsewhere or otherwise.
void compare_fields(const std::string& record, const Layout& plugin, const Layout& host,
                    std::vector<std::string>& lines) {
  for (const Field& wanted : plugin.fields()) {
    const std::string start =
        record + " field " + wanted.name + ": plugin built with " + shape(wanted) + ", host has ";
    const Field* const found = host.find(wanted.name);
    if (found != nullptr) {
      if (shape(*found) != shape(wanted)) lines.push_back(start + shape(*found));
      continue;
    }
    const Field* const other = field_at(host, wanted.offset);
    lines.push_back(start + "no such field" +
                    (other != nullptr ? " (at that place: " + other->name + " " + shape(*other) + ")" : ""));
  }
}

/// Keys must be equal: two layouts with the same fields at the same places have the same text.
void compare_keys(const std::string& table, const Layout& plugin, const Layout& host,
                  std::vector<std::string>& lines) {
  const std::string record = table + ", key";
  compare_fields(record, plugin, host, lines);
  for (const Field& field : host.fields()) {
    if (plugin.find(field.name) == nullptr) {
      lines.push_back(record + " field " + field.name + ": plugin built without it, host has " +
                      shape(field));
    }
  }
}

/// The host's record may have more fields; the plugin's must be a part of it.
void compare_values(const std::string& table, const Layout& plugin, const Layout& host,
                    std::vector<std::string>& lines) {
  const std::string record = table + ", value";
  compare_fields(record, plugin, host, lines);
  if (plugin.size() > host.size()) {
    lines.push_back(record + ": plugin's record has " + std::to_string(plugin.size()) + " bytes, host's " +
                    std::to_string(host.size()));
  }
  if (plugin.align() > host.align()) {
    lines.push_back(record + ": plugin's record is aligned to " + std::to_string(plugin.align()) +
                    ", host's to " + std::to_string(host.align()));
  }
}

std::string missing_table(const std::string& table, const tables::Catalog& catalog) {
  std::vector<std::string> names;
  for (const auto& host_table : catalog.tables()) names.push_back(host_table->name());
  const std::string nearest = nearest_name(table, names);
  return "table " + table + ": this host has no such table" +
         (nearest.empty() ? "" : "; did the plugin mean " + nearest + "?");
}

/// The interface grows at its end: a plugin built with more of it may call what this host does not have.
Result<void> check_interface(const Manifest& manifest) {
  if (manifest.host_size.value_or(0) <= sizeof(perch_host)) return {};
  const std::string sizes = "uses " + std::to_string(*manifest.host_size) +
                            " bytes of the interface, this host has " + std::to_string(sizeof(perch_host));
  return fail(ErrorKind::incompatible,
              "plugin " + manifest.id + " " + manifest.version + " is newer than this host: " + sizes,
              {"plugin " + sizes + " (perch_host in perch/plugin.h)",
               "start a newer host, or rebuild the plugin with this host's SDK"});
}

}  // namespace

Result<void> check_compatible(const Manifest& manifest, const tables::Catalog& catalog) {
  if (auto fits = check_interface(manifest); !fits) return fits;
  std::vector<std::string> lines;
  std::vector<std::string> commands;
  for (const ManifestTable& wanted : manifest.tables) {
    const auto host = catalog.find(wanted.name);
    if (!host) {
      lines.push_back(missing_table(wanted.name, catalog));
      continue;
    }
    const auto key = Layout::parse(wanted.key_layout);
    const auto value = Layout::parse(wanted.value_layout);
    if (!key) return fail(key.error());
    if (!value) return fail(value.error());
    const std::size_t before = lines.size();
    if (key->text() != host->key().text()) compare_keys("table " + wanted.name, *key, host->key(), lines);
    compare_values("table " + wanted.name, *value, host->value(), lines);
    if (lines.size() > before)
      commands.push_back("`perch layout " + wanted.name + " --cpp > " + wanted.name + ".hpp`");
  }
  if (lines.empty()) return {};
  std::string advice;
  for (const std::string& command : commands) advice += (advice.empty() ? "" : ", ") + command;
  lines.push_back(advice.empty() ? "check the table's name against `perch tables`, then rebuild the plugin"
                                 : advice + ", then rebuild the plugin");
  return fail(
      ErrorKind::incompatible,
      "plugin " + manifest.id + " " + manifest.version + " was built for other tables than this host has",
      std::move(lines));
}

}  // namespace perch::readers
