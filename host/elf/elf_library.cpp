#include "elf/elf_library.hpp"

#include "elf/elf_sections.hpp"
#include "elf/elf_segments.hpp"

namespace perch::elf {
namespace {

/// What the loader itself looks at in the header; it would say the same with fewer words.
Result<void> check_identity(const Elf64_Ehdr& header) {
  const unsigned char* const identity = header.e_ident;
  if (identity[EI_VERSION] != EV_CURRENT || header.e_version != EV_CURRENT) {
    return malformed("its header has an unknown ELF version");
  }
  if (identity[EI_OSABI] != ELFOSABI_SYSV && identity[EI_OSABI] != ELFOSABI_GNU) {
    return malformed("its header says that it is for another system than Linux");
  }
  for (int at = EI_ABIVERSION; at < EI_NIDENT; ++at) {
    if (identity[at] != 0) return malformed("its header is not zero where it must be");
  }
  return {};
}

}  // namespace

Result<ElfLibrary> ElfLibrary::read(const ElfFile& file) {
  auto checked = check_identity(file.header());
  if (checked) checked = check_load_segments(file);
  if (checked) {
    ElfLibrary library(file);
    checked = library.read_all();
    if (checked) return library;
  }
  checked.error().message = file.name() + " is a damaged library: " + checked.error().message;
  return fail(std::move(checked.error()));
}

Result<void> ElfLibrary::read_all() {
  if (auto checked = check_other_segments(image_); !checked) return checked;
  auto dynamic = ElfDynamic::read(image_);
  if (!dynamic) return fail(std::move(dynamic.error()));
  dynamic_ = std::move(*dynamic);
  auto symbols = read_symbols(image_, dynamic_);
  if (!symbols) return fail(std::move(symbols.error()));
  symbols_ = std::move(*symbols);
  if (auto checked = check_versions(image_, dynamic_, symbols_); !checked) return checked;
  functions_ = ElfFunctions(image_);
  auto relocations = read_relocations(image_, dynamic_, symbols_, functions_);
  if (!relocations) return fail(std::move(relocations.error()));
  relocations_ = std::move(*relocations);
  return check_sections(*this);
}

std::vector<std::string> ElfLibrary::exported() const {
  std::vector<std::string> names;
  for (const Elf64_Sym& symbol : symbols_) {
    const unsigned visibility = ELF64_ST_VISIBILITY(symbol.st_other);
    if (symbol.st_shndx == SHN_UNDEF || ELF64_ST_BIND(symbol.st_info) == STB_LOCAL) continue;
    if (visibility == STV_DEFAULT || visibility == STV_PROTECTED) names.push_back(name_of(symbol));
  }
  return names;
}

std::vector<std::string> ElfLibrary::undefined() const {
  std::vector<std::string> names;
  for (const Elf64_Sym& symbol : symbols_) {
    if (symbol.st_shndx == SHN_UNDEF && ELF64_ST_BIND(symbol.st_info) == STB_GLOBAL)
      names.push_back(name_of(symbol));
  }
  return names;
}

std::string ElfLibrary::why_never_unmapped() const {
  if ((dynamic_.value(DT_FLAGS_1).value_or(0) & DF_1_NODELETE) != 0) return "it is linked with -z nodelete";
  for (const Elf64_Sym& symbol : symbols_) {
    if (ELF64_ST_BIND(symbol.st_info) == STB_GNU_UNIQUE) {
      return "it defines the unique symbol " + name_of(symbol) +
             " (compile everything in it with -fno-gnu-unique)";
    }
  }
  return {};
}

}  // namespace perch::elf
