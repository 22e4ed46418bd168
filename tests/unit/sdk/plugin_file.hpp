// PluginFile: a built plugin, as bytes to look at and as a library to run over a FakeHost.
#pragma once

#include <elf.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "fake_host.hpp"

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

/// One loaded instance of a plugin.
class LoadedPlugin {
 public:
  explicit LoadedPlugin(const std::filesystem::path& path);
  ~LoadedPlugin();
  LoadedPlugin(const LoadedPlugin&) = delete;
  LoadedPlugin& operator=(const LoadedPlugin&) = delete;

  const perch_plugin_api& api() const { return *api_; }
  std::string manifest() const { return {static_cast<const char*>(api_->manifest), api_->manifest_size}; }

  void create(FakeHost& host, const std::string& config);
  void restore(std::uint32_t state_version, const std::string& state);
  void start();
  /// From the version of the last step (at first: empty) to the newest one.
  void step();
  std::string save();
  /// Continues where another instance stopped.
  void continue_from(const LoadedPlugin& other) { at_ = other.at_; }

 private:
  void expect_ok(perch_result result, const perch_error& error);
  void* library_ = nullptr;
  const perch_plugin_api* api_ = nullptr;
  void* instance_ = nullptr;
  FakeHost* host_ = nullptr;
  const FrozenVersion* at_ = nullptr;
};

/// <build>/<folder>/<name>.so
std::filesystem::path built_plugin(const std::string& name, const std::string& folder = "plugins");

}  // namespace perch::test
