// What a new reader's project consists of, with its names and its table filled in.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "cli/outcome.hpp"
#include "cli/project_template.hpp"

namespace perch::cli {

struct NewProject {
  std::string name;              ///< the plugin's id
  std::string language;          ///< cpp or c
  Json layout;                   ///< of the table that it reads, as table.layout answers
  std::filesystem::path prefix;  ///< where the SDK is installed, or the build folder
  std::string perch;             ///< how the shell calls `perch`
  std::string socket;            ///< of the host, as the shell takes it
};

/// Whether it can be a plugin's id, [a-z][a-z0-9_-]{0,63}, and a target of CMake.
Result<void> check_project_name(const std::string& name);

/// The table `trades` of config/market.json, for who has no host at hand.
Json example_table();

/// All files of the project, from the templates in `templates` (a folder of common/, cpp/ and c/).
Result<std::vector<ProjectFile>> project_files(const NewProject& project,
                                               const std::filesystem::path& templates);

}  // namespace perch::cli
