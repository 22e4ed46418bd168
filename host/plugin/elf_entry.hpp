// The entry of a plugin, perch_plugin, checked twice: in the file, before any code runs, and in memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "base/result.hpp"
#include "elf/elf_library.hpp"
#include "perch/plugin.h"
#include "plugin/manifest.hpp"

namespace perch::plugin {

/// perch_plugin in version 1 of the interface. Later ones add members behind these: a larger struct is a
/// newer plugin of the same interface.
constexpr std::size_t entry_bytes_min =
    offsetof(perch_plugin_api, destroy) + sizeof(perch_plugin_api::destroy);

/// The memory that an entry's pointers lead into: a file's, or a loaded library's.
class EntryMemory {
 public:
  virtual bool is_code(std::uint64_t address) const = 0;
  /// The bytes there; nothing unless all of them are the library's own and readable.
  virtual std::optional<std::string> bytes(std::uint64_t address, std::uint64_t size) const = 0;

 protected:
  ~EntryMemory() = default;
};

/// Size, interface version, all functions there and code of this library, and the manifest the one that was
/// read. `entry` may lie: none of its pointers is followed before it is known where it leads.
Result<void> check_entry(const perch_plugin_api& entry, const Manifest& manifest, const EntryMemory& memory);

/// The same for what perch_plugin will be once it is loaded. It must be constant data.
Result<void> check_entry_in_file(const elf::ElfLibrary& library, const Manifest& manifest);

/// All that can be known of a plugin before its code runs: whether the loader can follow everything in it,
/// and its entry. Errors name the file.
Result<void> check_loadable(const elf::ElfFile& file, const Manifest& manifest);

}  // namespace perch::plugin
