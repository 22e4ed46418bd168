// ElfFacts: what a shared library's dynamic section, symbols and headers say, as far as checks judge it.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace perch::check {

struct ElfFacts {
  std::vector<std::string> exported;   ///< symbols that others can bind to
  std::vector<std::string> undefined;  ///< symbols that others must offer; weak ones left out
  std::vector<std::string> needed;     ///< libraries, as DT_NEEDED names them
  bool has_build_id = false;
  bool has_text_relocations = false;
  bool has_executable_stack = false;
  bool binds_now = false;
  bool has_manifest_section = false;
  bool has_manifest_segment = false;
};

/// Of a file that PluginFile has found to be a shared library.
Result<ElfFacts> read_elf_facts(const std::filesystem::path& file);

}  // namespace perch::check
