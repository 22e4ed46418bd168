// What the file offers to others, and what would keep it in memory for good.
#include <algorithm>

#include "check/check.hpp"
#include "check/inspected_file.hpp"
#include "perch/plugin.h"

namespace perch::check {
namespace {

constexpr std::size_t names_shown_max = 8;

std::string list_of(const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t i = 0; i < names.size() && i < names_shown_max; ++i)
    text += (i == 0 ? "" : ", ") + names[i];
  if (names.size() > names_shown_max)
    text += " and " + std::to_string(names.size() - names_shown_max) + " more";
  return text;
}

}  // namespace

void check_symbols(CheckContext& context) {
  CheckReport& report = context.report;
  report.now("reading the symbols");
  auto file = inspected_file(context);
  if (!file) return;
  auto& names = file->exported;
  const auto mine = std::remove(names.begin(), names.end(), PERCH_PLUGIN_SYMBOL);
  if (mine == names.end()) {
    report.fail(
        "it does not export " PERCH_PLUGIN_SYMBOL,
        "in C++ write PERCH_PLUGIN(YourReader) at global scope; in C define perch_plugin with PERCH_EXPORT");
  }
  names.erase(mine, names.end());
  if (!names.empty()) {
    std::sort(names.begin(), names.end());
    report.fail(
        "it exports more than " PERCH_PLUGIN_SYMBOL ": " + list_of(names),
        "build with perch_add_plugin, or link with its version script (perch_plugin.map) and compile with "
        "-fvisibility=hidden: a second symbol can be bound to by a neighbour");
  }
  report.done("exports " PERCH_PLUGIN_SYMBOL +
              std::string(names.empty() ? " alone" : " and " + list_of(names)));
}

void check_unmappable(CheckContext& context) {
  CheckReport& report = context.report;
  report.now("reading the headers");
  const auto file = inspected_file(context);
  if (!file) return;
  if (!file->never_unmapped.empty()) {
    report.fail("the loader would never unmap it: " + file->never_unmapped,
                "every swap would leave a copy in the host's memory; build with perch_add_plugin");
  }
  if (file->build_id.empty()) {
    report.warn("it has no build-id: a stack trace cannot be matched with its symbols",
                "link with -Wl,--build-id");
  }
  report.done("nothing keeps it: no unique symbols, not NODELETE");
}

}  // namespace perch::check
