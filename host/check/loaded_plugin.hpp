// LoadedPlugin: the plugin as the host would load it, and where its instances live in a check.
#pragma once

#include <memory>

#include "base/result.hpp"
#include "check/check.hpp"
#include "plugin/plugin_file.hpp"
#include "plugin/plugin_library.hpp"

namespace perch::check {

/// Opens the file, copies it and loads the copy, each time as a new generation. On failure the report has a
/// finding and this is null.
std::unique_ptr<plugin::PluginLibrary> load_plugin(CheckContext& context);

/// Unloads it and reports what still holds it. False: it stays mapped.
bool unload_plugin(CheckContext& context, plugin::PluginLibrary& library);

}  // namespace perch::check
