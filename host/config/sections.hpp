// The config's larger sections, each read by a function of its own.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "config/object.hpp"
#include "ingest/ingest.hpp"
#include "readers/readers_spec.hpp"
#include "tables/catalog.hpp"

namespace perch {

std::vector<tables::TableSpec> read_tables(ObjectReader& root, ConfigProblem& problem);

/// `program_folder`: see find_program.
std::vector<ingest::SourceSpec> read_sources(ObjectReader& root, const std::vector<tables::TableSpec>& tables,
                                             const std::filesystem::path& program_folder,
                                             ConfigProblem& problem);

/// All but the files and folders that follow from run_dir.
readers::ReadersSpec read_readers(ObjectReader& root, ConfigProblem& problem);

/// "0660". Errors say how to write it.
Result<unsigned> parse_file_mode(const std::string& text);

/// The file that a source's command means. Absolute: itself; with a slash: relative to `config_folder`; else
/// the first executable of that name in `program_folder` and the folders of PATH. Errors: none there, not
/// executable.
Result<std::filesystem::path> find_program(const std::string& program,
                                           const std::filesystem::path& config_folder,
                                           const std::filesystem::path& program_folder);

}  // namespace perch
