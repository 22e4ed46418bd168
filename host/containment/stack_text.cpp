#include "containment/stack_text.hpp"

#include <cxxabi.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <gelf.h>
#include <libelf.h>
#include <link.h>
#include <string.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>

#include "base/unique_fd.hpp"

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

/// The function in a symbol table that covers `offset`, with its distance to it.
std::string find_in_table(Elf* elf, Elf_Scn* section, const GElf_Shdr& header, std::uint64_t offset) {
  Elf_Data* const data = elf_getdata(section, nullptr);
  if (data == nullptr || header.sh_entsize == 0) return {};
  const auto count = static_cast<int>(header.sh_size / header.sh_entsize);
  for (int i = 0; i < count; ++i) {
    GElf_Sym symbol;
    if (gelf_getsym(data, i, &symbol) == nullptr || GELF_ST_TYPE(symbol.st_info) != STT_FUNC) continue;
    if (offset < symbol.st_value || offset >= symbol.st_value + symbol.st_size) continue;
    const char* const name = elf_strptr(elf, header.sh_link, symbol.st_name);
    if (name == nullptr) return {};
    int status = 0;
    const std::unique_ptr<char, decltype(&std::free)> demangled(
        abi::__cxa_demangle(name, nullptr, nullptr, &status), std::free);
    char distance[24];
    std::snprintf(distance, sizeof distance, "+0x%zx", static_cast<std::size_t>(offset - symbol.st_value));
    return (demangled ? demangled.get() : name) + std::string(distance);
  }
  return {};
}

std::string find_function(const char* path, std::uint64_t offset) {
  const UniqueFd fd(::open(*path != '\0' ? path : "/proc/self/exe", O_RDONLY | O_CLOEXEC));
  if (!fd || elf_version(EV_CURRENT) == EV_NONE) return {};
  const std::unique_ptr<Elf, decltype(&elf_end)> elf(elf_begin(fd.get(), ELF_C_READ, nullptr), elf_end);
  if (!elf) return {};
  std::string found;
  for (Elf_Scn* section = nullptr; (section = elf_nextscn(elf.get(), section)) != nullptr;) {
    GElf_Shdr header;
    if (gelf_getshdr(section, &header) == nullptr) continue;
    if (header.sh_type != SHT_SYMTAB && header.sh_type != SHT_DYNSYM) continue;
    std::string name = find_in_table(elf.get(), section, header, offset);
    if (!name.empty()) found = std::move(name);
    if (!found.empty() && header.sh_type == SHT_SYMTAB) break;
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
