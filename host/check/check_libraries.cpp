// What the plugin needs of others: libraries and symbols. The loader is asked, in this throw-away process.
#include <dlfcn.h>
#include <link.h>

#include <algorithm>
#include <set>

#include "check/check.hpp"
#include "check/inspected_file.hpp"
#include "plugin/mapped_library.hpp"
#include "plugin/plugin_file.hpp"

namespace perch::check {
namespace {

std::set<std::string> loaded_libraries() {
  std::set<std::string> names;
  dl_iterate_phdr(
      [](dl_phdr_info* info, std::size_t, void* context) {
        if (info->dlpi_name != nullptr) static_cast<std::set<std::string>*>(context)->insert(info->dlpi_name);
        return 0;
      },
      &names);
  return names;
}

/// The loader stops at the first thing that is missing; this names all of them. True: something is.
bool report_missing(const plugin::Inspection& inspected, CheckReport& report) {
  bool is_missing = false;
  for (const std::string& library : inspected.needed) {
    if (::dlopen(library.c_str(), RTLD_LAZY | RTLD_GLOBAL) != nullptr) continue;
    report.fail("a library that it needs is not there: " + library, "install it, or link it statically");
    is_missing = true;
  }
  for (const std::string& symbol : inspected.undefined) {
    if (::dlsym(RTLD_DEFAULT, symbol.c_str()) != nullptr) continue;
    report.fail("a symbol that it needs is nowhere: " + symbol,
                "link with -Wl,-z,defs (perch_add_plugin does), which finds this at build time");
    is_missing = true;
  }
  return is_missing;
}

void report_holding(const std::set<std::string>& before, const std::string& plugin, CheckReport& report) {
  for (const std::string& library : loaded_libraries()) {
    if (before.count(library) != 0 || library == plugin) continue;
    const std::string why = plugin::why_library_never_unmaps(library);
    if (!why.empty()) {
      report.warn(library + " would stay in the host's memory for good: " + why,
                  "do without it in a plugin, or link it statically with -fno-gnu-unique");
    }
  }
}

/// Libraries of the host's own that keep what is registered with them, such as loggers, are shared with a
/// plugin that needs them: pointers to its code would stay there.
void report_shared(const plugin::Inspection& inspected, const std::set<std::string>& before,
                   CheckReport& report) {
  for (const std::string& library : inspected.needed) {
    const auto loaded = std::find_if(before.begin(), before.end(),
                                     [&](const std::string& path) { return path.ends_with("/" + library); });
    if (loaded == before.end() || library.starts_with("libstdc++.")) continue;
    if (plugin::why_library_never_unmaps(*loaded).empty()) continue;
    report.warn(
        library +
            " is the host's own too, and it has objects that all share: what the plugin registers there "
            "stays when the plugin goes",
        "do without it in a plugin; to log there is the host's log");
  }
}

}  // namespace

void check_libraries(CheckContext& context) {
  CheckReport& report = context.report;
  report.now("reading what it needs");
  const auto inspected = inspected_file(context);
  if (!inspected) return;
  auto file = plugin::PluginFile::open(context.options.file);
  if (!file) return report.fail(file.error().message), report.done("unreadable");
  const auto copy = file->copy_to(context.folder, 0);
  if (!copy) return report.fail(copy.error().message), report.done("no copy could be made");

  const std::set<std::string> before = loaded_libraries();
  report.now("loading it: its constructors");
  if (::dlopen(copy->c_str(), RTLD_NOW | RTLD_LOCAL) == nullptr) {
    const std::string why = ::dlerror();
    if (!report_missing(*inspected, report)) report.fail("it cannot be loaded: " + why);
    return report.done("it cannot be loaded");
  }
  report_holding(before, copy->string(), report);
  report_shared(*inspected, before, report);
  std::string names;
  for (const std::string& library : inspected->needed) names += (names.empty() ? "" : ", ") + library;
  report.measure("needed", inspected->needed);
  report.done(names.empty() ? "needs no library" : "needs " + names);
}

}  // namespace perch::check
