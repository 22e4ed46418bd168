// The files of a new project, made of templates: `perch new`.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "cli/outcome.hpp"

namespace perch::cli {

/// What stands for @name@ in a template. A line with a word whose text is "" is left out.
using TemplateWords = std::map<std::string, std::string>;

struct ProjectFile {
  std::string name;
  std::string text;
};

/// A template with its words filled in; an error names a word that is not known.
Result<std::string> fill_template(const std::string& text, const TemplateWords& words);

/// Every *.in of the folder, filled in, under the name that `names` gives it, or else its own without ".in".
Result<std::vector<ProjectFile>> fill_templates(const std::filesystem::path& folder,
                                                const TemplateWords& words,
                                                const std::map<std::string, std::string>& names);

/// Whether a project may be written there: there is nothing, or an empty folder.
Result<void> check_project_folder(const std::filesystem::path& folder);

/// Writes all files into the folder, which is made when missing. On failure it takes away again what it
/// wrote.
Result<void> write_project(const std::filesystem::path& folder, const std::vector<ProjectFile>& files);

}  // namespace perch::cli
