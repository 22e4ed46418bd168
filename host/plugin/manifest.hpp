// Manifest: what a plugin file says about itself, read before any of its code runs.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "tables/catalog.hpp"
#include "tables/fit.hpp"

namespace perch::elf {
class ElfFile;
}

namespace perch::plugin {

struct Manifest {
  std::uint32_t abi = 0;
  std::optional<std::uint64_t>
      host_size;  ///< bytes of perch_host that it was built with; older ones say none
  std::string id;
  std::string version;
  std::uint32_t state_version = 1;
  std::uint32_t state_oldest = 1;
  std::vector<tables::WantedTable> tables;
  std::string config_schema;  ///< JSON text
  std::string text;           ///< the note's descriptor, byte for byte
  std::string found_in;       ///< where in the file the note was, in words; "" when it came from a text
};

/// Ids of plugins match [a-z][a-z0-9_-]{0,63}.
bool is_plugin_id(std::string_view text);

/// Reads the ELF note of a file (bounds-checked; nothing is mapped or executed). Errors name the file.
Result<Manifest> read_manifest(const elf::ElfFile& file);
/// The same from an open file. Errors tell a text file, a truncated file, another machine's file and a
/// library without a manifest apart, in words.
Result<Manifest> read_manifest(int fd, const std::filesystem::path& name);
/// The same from the note's text.
Result<Manifest> parse_manifest(std::string_view text);

/// Whether this host offers as much of the interface as the plugin was built with, and the plugin's tables
/// fit the host's (tables::check_fit). The error is `incompatible`, with details.
Result<void> check_compatible(const Manifest& manifest, const tables::Catalog& catalog);
/// The catalog's tables in the order of the manifest, which has been checked against it.
std::vector<tables::TablePtr> bound_tables(const Manifest& manifest, const tables::Catalog& catalog);

}  // namespace perch::plugin
