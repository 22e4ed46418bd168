#include "readers/instance_check.hpp"

#include <algorithm>
#include <map>

#include "base/text.hpp"
#include "plugin/config_schema.hpp"
#include "plugin/plugin_file.hpp"
#include "plugin/plugin_folder.hpp"
#include "readers/folder_readers.hpp"

namespace perch::readers {
namespace {

/// By their ids. Files that are refused give a warning.
std::map<std::string, plugin::Manifest> read_folder(const std::filesystem::path& folder,
                                                    InstanceCheck& check) {
  std::vector<std::filesystem::path> files;
  std::error_code error;
  for (std::filesystem::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    if (plugin::PluginFolder::is_plugin_name(at->path().filename().string())) files.push_back(at->path());
  }
  std::sort(files.begin(), files.end());
  std::map<std::string, plugin::Manifest> plugins;
  for (const auto& path : files) {
    const auto file = plugin::PluginFile::open_trusted(path, folder);
    if (!file) {
      check.warnings.push_back(full_text(file.error()));
    } else {
      plugins.try_emplace(file->manifest().id, file->manifest());
    }
  }
  return plugins;
}

}  // namespace

InstanceCheck check_instances(const ReadersSpec& spec) {
  InstanceCheck check;
  check.warnings = missing_paths(spec.workers.sandbox);
  if (spec.folder.empty()) return check;
  const auto plugins = read_folder(spec.folder, check);
  std::vector<std::string> ids;
  for (const auto& [id, manifest] : plugins) ids.push_back(id);
  for (const InstanceSpec& instance : spec.instances) {
    const std::string reader = "reader " + instance.name + ": ";
    const auto plugin = plugins.find(instance.plugin);
    if (plugin == plugins.end()) {
      check.warnings.push_back(reader + no_such_plugin(instance.plugin, spec.folder, ids));
    } else if (const auto fits = check_config(plugin->second, instance.config); !fits) {
      check.errors.push_back(reader + full_text(fits.error()));
    }
  }
  return check;
}

}  // namespace perch::readers
