#include "plugin_file.hpp"

#include <dlfcn.h>
#include <doctest/doctest.h>

#include <cstring>
#include <fstream>
#include <iterator>

namespace perch::test {

ElfFile::ElfFile(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  bytes_.assign(std::istreambuf_iterator<char>(file), {});
  REQUIRE_MESSAGE(bytes_.size() > sizeof(Elf64_Ehdr), path);
  REQUIRE(std::memcmp(bytes_.data(), ELFMAG, SELFMAG) == 0);
}

template <class T>
const T* ElfFile::at(std::uint64_t offset, std::uint64_t count) const {
  REQUIRE(offset + count * sizeof(T) <= bytes_.size());
  return reinterpret_cast<const T*>(bytes_.data() + offset);
}

const Elf64_Shdr* ElfFile::section(const std::string& name) const {
  const auto& header = *at<Elf64_Ehdr>(0);
  const auto* sections = at<Elf64_Shdr>(header.e_shoff, header.e_shnum);
  const char* names = at<char>(sections[header.e_shstrndx].sh_offset);
  for (int i = 0; i < header.e_shnum; ++i) {
    if (name == names + sections[i].sh_name) return &sections[i];
  }
  return nullptr;
}

bool ElfFile::in_note_segment(const Elf64_Shdr& section) const {
  const auto& header = *at<Elf64_Ehdr>(0);
  const auto* segments = at<Elf64_Phdr>(header.e_phoff, header.e_phnum);
  for (int i = 0; i < header.e_phnum; ++i) {
    const Elf64_Phdr& segment = segments[i];
    if (segment.p_type == PT_NOTE && segment.p_offset <= section.sh_offset &&
        section.sh_offset + section.sh_size <= segment.p_offset + segment.p_filesz) {
      return true;
    }
  }
  return false;
}

std::vector<Symbol> ElfFile::defined_symbols(std::uint32_t table_type) const {
  std::vector<Symbol> symbols;
  const auto& header = *at<Elf64_Ehdr>(0);
  const auto* sections = at<Elf64_Shdr>(header.e_shoff, header.e_shnum);
  for (int i = 0; i < header.e_shnum; ++i) {
    if (sections[i].sh_type != table_type) continue;
    const std::uint64_t count = sections[i].sh_size / sizeof(Elf64_Sym);
    const auto* table = at<Elf64_Sym>(sections[i].sh_offset, count);
    const char* names = at<char>(sections[sections[i].sh_link].sh_offset);
    for (std::uint64_t j = 1; j < count; ++j) {
      if (table[j].st_shndx != SHN_UNDEF) {
        symbols.push_back(
            {names + table[j].st_name, static_cast<unsigned char>(ELF64_ST_BIND(table[j].st_info))});
      }
    }
  }
  return symbols;
}

LoadedPlugin::LoadedPlugin(const std::filesystem::path& path) {
  library_ = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  REQUIRE_MESSAGE(library_ != nullptr, dlerror());
  api_ = static_cast<const perch_plugin_api*>(dlsym(library_, PERCH_PLUGIN_SYMBOL));
  REQUIRE(api_ != nullptr);
}

LoadedPlugin::~LoadedPlugin() { CHECK(dlclose(library_) == 0); }

std::filesystem::path built_plugin(const std::string& name, const std::string& folder) {
  return std::filesystem::path(PERCH_BINARY_DIR) / folder / (name + ".so");
}

}  // namespace perch::test
