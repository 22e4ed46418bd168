// Does a plugin fit the host's tables? Answered from texts alone, before any of its code is loaded.
#include "base/assert.hpp"
#include "perch/plugin.h"
#include "plugin/manifest.hpp"

namespace perch::plugin {
namespace {

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
  return tables::check_fit(
      manifest.tables, catalog, "plugin",
      "plugin " + manifest.id + " " + manifest.version + " was built for other tables than this host has");
}

std::vector<tables::TablePtr> bound_tables(const Manifest& manifest, const tables::Catalog& catalog) {
  std::vector<tables::TablePtr> bound;
  for (const tables::WantedTable& wanted : manifest.tables) {
    bound.push_back(catalog.find(wanted.name));
    PERCH_ASSERT(bound.back() != nullptr, "a plugin whose tables were not checked");
  }
  return bound;
}

}  // namespace perch::plugin
