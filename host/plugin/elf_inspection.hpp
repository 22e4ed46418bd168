// Inspection: all that a plugin file says about itself, and what the host would say of it. Nothing of it
// runs.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "plugin/manifest.hpp"

namespace perch::plugin {

struct Inspection {
  Manifest manifest;
  std::string build_id;  ///< hex; "" when the linker wrote none
  std::string refusal;   ///< why this host would not load it, whatever its tables; "" when it would
  std::vector<std::string> needed;     ///< libraries, as the linker named them; none when the file is damaged
  std::vector<std::string> exported;   ///< symbols, with perch_plugin
  std::vector<std::string> undefined;  ///< symbols that others must offer; weak ones left out
  std::string never_unmapped;  ///< why it would stay in memory after unloading; "" when nothing says so
  std::vector<std::string> warnings() const;
};

/// Opens the file, links followed. Errors say what it is instead of a plugin.
Result<Inspection> inspect_file(const std::filesystem::path& path);

/// The members that `perch inspect --json` and reader.inspect share.
nlohmann::ordered_json to_json(const Inspection& inspection);

}  // namespace perch::plugin
