#include "tables/fit.hpp"

#include <algorithm>

#include "base/nearest_name.hpp"

namespace perch::tables {
namespace {

std::string shape(const Field& field) { return field.type_text() + " @" + std::to_string(field.offset); }

const Field* field_at(const Layout& layout, std::uint32_t offset) {
  const auto& fields = layout.fields();
  const auto found =
      std::find_if(fields.begin(), fields.end(), [&](const Field& f) { return f.offset == offset; });
  return found == fields.end() ? nullptr : &*found;
}

/// One line for each field of the plugin that the host has not, or has elsewhere or otherwise.
void compare_fields(const std::string& record, const Layout& wanted_layout, const Layout& host,
                    const std::string& who, std::vector<std::string>& lines) {
  for (const Field& wanted : wanted_layout.fields()) {
    const std::string start =
        record + " field " + wanted.name + ": " + who + " built with " + shape(wanted) + ", host has ";
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
void compare_keys(const std::string& table, const Layout& wanted_layout, const Layout& host,
                  const std::string& who, std::vector<std::string>& lines) {
  const std::string record = table + ", key";
  compare_fields(record, wanted_layout, host, who, lines);
  for (const Field& field : host.fields()) {
    if (wanted_layout.find(field.name) == nullptr) {
      lines.push_back(record + " field " + field.name + ": " + who + " built without it, host has " +
                      shape(field));
    }
  }
}

/// The host's record may have more fields; the plugin's must be a part of it.
void compare_values(const std::string& table, const Layout& wanted_layout, const Layout& host,
                    const std::string& who, std::vector<std::string>& lines) {
  const std::string record = table + ", value";
  compare_fields(record, wanted_layout, host, who, lines);
  if (wanted_layout.size() > host.size()) {
    lines.push_back(record + ": " + who + "'s record has " + std::to_string(wanted_layout.size()) +
                    " bytes, host's " + std::to_string(host.size()));
  }
  if (wanted_layout.align() > host.align()) {
    lines.push_back(record + ": " + who + "'s record is aligned to " + std::to_string(wanted_layout.align()) +
                    ", host's to " + std::to_string(host.align()));
  }
}

std::string missing_table(const std::string& table, const Catalog& catalog, const std::string& who) {
  std::vector<std::string> names;
  for (const auto& host_table : catalog.tables()) names.push_back(host_table->name());
  const std::string nearest = nearest_name(table, names);
  return "table " + table + ": this host has no such table" +
         (nearest.empty() ? "" : "; did the " + who + " mean " + nearest + "?");
}

}  // namespace

Result<void> check_fit(const std::vector<WantedTable>& wanted_tables, const Catalog& catalog,
                       const std::string& who, const std::string& message) {
  std::vector<std::string> lines;
  std::vector<std::string> commands;
  for (const WantedTable& wanted : wanted_tables) {
    const auto host = catalog.find(wanted.name);
    if (!host) {
      lines.push_back(missing_table(wanted.name, catalog, who));
      continue;
    }
    const auto key = Layout::parse(wanted.key_layout);
    const auto value = Layout::parse(wanted.value_layout);
    if (!key) return fail(key.error());
    if (!value) return fail(value.error());
    const std::size_t before = lines.size();
    if (key->text() != host->key().text())
      compare_keys("table " + wanted.name, *key, host->key(), who, lines);
    compare_values("table " + wanted.name, *value, host->value(), who, lines);
    if (lines.size() > before)
      commands.push_back("`perch layout " + wanted.name + " --cpp > " + wanted.name + ".hpp`");
  }
  if (lines.empty()) return {};
  std::string advice;
  for (const std::string& command : commands) advice += (advice.empty() ? "" : ", ") + command;
  lines.push_back(advice.empty() ? "check the table's name against `perch tables`, then rebuild the " + who
                                 : advice + ", then rebuild the " + who);
  return fail(ErrorKind::incompatible, message, std::move(lines));
}

}  // namespace perch::tables
