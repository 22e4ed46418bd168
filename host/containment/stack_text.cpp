#include "containment/stack_text.hpp"

#include <cxxabi.h>
#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <string.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>

#include "base/unique_fd.hpp"
#include "elf/elf_file.hpp"
#include "elf/elf_image.hpp"

namespace perch::containment {
namespace {

/// A file in memory that an address belongs to.
struct Module {
  const char* path = "";  // "": the program itself
  std::uintptr_t base = 0;
};

/// Lock-free and async-signal-safe since glibc 2.35.
bool find_module(const void* address, Module& module) noexcept {
  dl_find_object found;
  if (_dl_find_object(const_cast<void*>(address), &found) != 0) return false;
  module.path = found.dlfo_link_map->l_name;
  module.base = found.dlfo_link_map->l_addr;
  return true;
}

const char* base_name(const char* path) noexcept {
  const char* const slash = strrchr(path, '/');
  return slash != nullptr ? slash + 1 : path;
}

std::string text_in(const elf::ElfFile& file, const Elf64_Shdr& strings, std::uint64_t at) {
  constexpr std::uint64_t text_bytes_max = 4096;
  if (at >= strings.sh_size) return {};
  std::string text(std::min(strings.sh_size - at, text_bytes_max), '\0');
  if (!file.read(strings.sh_offset + at, text.data(), text.size())) return {};
  return text.c_str();
}

std::string demangled(const std::string& name) {
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> text(
      abi::__cxa_demangle(name.c_str(), nullptr, nullptr, &status), std::free);
  return text ? text.get() : name;
}

/// The function in a symbol table that covers `offset`, with its distance to it.
std::string find_in_table(const elf::ElfFile& file, const Elf64_Shdr& table, std::uint64_t offset) {
  // sections() leaves out the first one.
  if (table.sh_size > file.size() || table.sh_link == 0 || table.sh_link > file.sections().size()) return {};
  std::vector<Elf64_Sym> symbols(table.sh_size / sizeof(Elf64_Sym));
  if (!file.read(table.sh_offset, symbols.data(), symbols.size() * sizeof(Elf64_Sym))) return {};
  const auto symbol = std::find_if(symbols.begin(), symbols.end(), [offset](const Elf64_Sym& each) {
    return ELF64_ST_TYPE(each.st_info) == STT_FUNC && offset >= each.st_value &&
           offset - each.st_value < each.st_size;
  });
  if (symbol == symbols.end()) return {};
  const std::string name = text_in(file, file.sections()[table.sh_link - 1].header, symbol->st_name);
  if (name.empty()) return {};
  return demangled(name) + "+" + elf::hex_address(offset - symbol->st_value);
}

std::string find_function(const char* path, std::uint64_t offset) {
  const UniqueFd fd(::open(*path != '\0' ? path : "/proc/self/exe", O_RDONLY | O_CLOEXEC));
  const auto file = elf::ElfFile::open(fd.get(), path);
  if (!file) return {};
  std::string found;
  for (const elf::ElfSection& section : file->sections()) {
    const auto type = section.header.sh_type;
    if (type != SHT_SYMTAB && type != SHT_DYNSYM) continue;
    std::string name = find_in_table(*file, section.header, offset);
    if (!name.empty()) found = std::move(name);
    if (!found.empty() && type == SHT_SYMTAB) break;
  }
  return found;
}

}  // namespace

void write_place(const void* address, char* text, unsigned long size) noexcept {
  Module module;
  const char* name = "?";
  auto offset = reinterpret_cast<std::uintptr_t>(address);
  if (find_module(address, module)) {
    name = *module.path != '\0' ? base_name(module.path) : "the host's program";
    offset -= module.base;
  }
  char digits[20];
  int count = 0;
  do digits[count++] = "0123456789abcdef"[offset & 15];
  while ((offset >>= 4) != 0);
  unsigned long length = 0;
  const auto add = [&](char c) {
    if (length + 1 < size) text[length++] = c;
  };
  for (; *name != '\0'; ++name) add(*name);
  for (const char* plus = "+0x"; *plus != '\0'; ++plus) add(*plus);
  while (count > 0) add(digits[--count]);
  text[length] = '\0';
}

std::string frame_text(const void* address, bool is_exact) {
  char place[300];
  write_place(address, place, sizeof place);
  Module module;
  if (!find_module(address, module)) return place;
  // What a call returns to may be the next function already, where the last thing is a call.
  const std::uint64_t offset = reinterpret_cast<std::uintptr_t>(address) - module.base - (is_exact ? 0 : 1);
  const std::string function = find_function(module.path, offset);
  return function.empty() ? place : place + std::string(" (") + function + ")";
}

std::vector<std::string> plugin_frames(void* const* frames, int count, int lines_max) {
  std::vector<std::string> lines;
  for (int i = 0; i < std::min(count, lines_max); ++i) {
    Module module;
    const bool is_host = find_module(frames[i], module) && *module.path == '\0';
    if (is_host && i > 0) break;
    lines.push_back(frame_text(frames[i], i == 0));
  }
  return lines;
}

}  // namespace perch::containment
