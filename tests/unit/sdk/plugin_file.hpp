// PluginFile: a built plugin, as bytes to look at and as a library to run.
#pragma once

#include <elf.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "perch/plugin.h"

namespace perch::test {

/// A symbol of .dynsym or .symtab that is defined in the file.
struct Symbol {
  std::string name;
  unsigned char binding;
};

/// An ELF file, read without any help. Test failures where it is none.
class ElfFile {
 public:
  explicit ElfFile(const std::filesystem::path& path);
  std::vector<Symbol> defined_symbols(std::uint32_t table_type) const;  ///< SHT_DYNSYM or SHT_SYMTAB
  const Elf64_Shdr* section(const std::string& name) const;
  bool in_note_segment(const Elf64_Shdr& section) const;
  const std::string& bytes() const { return bytes_; }

 private:
  template <class T>
  const T* at(std::uint64_t offset, std::uint64_t count = 1) const;
  std::string bytes_;
};

/// A plugin's file, loaded; it outlives the readers that run its api.
class LoadedPlugin {
 public:
  explicit LoadedPlugin(const std::filesystem::path& path);
  ~LoadedPlugin();
  LoadedPlugin(const LoadedPlugin&) = delete;
  LoadedPlugin& operator=(const LoadedPlugin&) = delete;

  const perch_plugin_api& api() const { return *api_; }
  std::string manifest() const { return {static_cast<const char*>(api_->manifest), api_->manifest_size}; }

 private:
  void* library_ = nullptr;
  const perch_plugin_api* api_ = nullptr;
};

/// <build>/<folder>/<name>.so
std::filesystem::path built_plugin(const std::string& name, const std::string& folder = "plugins");

}  // namespace perch::test
