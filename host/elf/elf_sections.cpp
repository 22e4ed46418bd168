#include "elf/elf_sections.hpp"

#include <algorithm>
#include <optional>

#include "elf/elf_library.hpp"

namespace perch::elf {
namespace {

bool is_loaded(const ElfSection& section) { return (section.header.sh_flags & SHF_ALLOC) != 0; }
bool has_bytes(const ElfSection& section) { return section.header.sh_type != SHT_NOBITS; }
bool is_thread_local(const ElfSection& section) { return (section.header.sh_flags & SHF_TLS) != 0; }

std::string text_of(const ElfSection& section) { return "its section " + section.name; }

/// Each section that is loaded lies in one segment, where the file has it, and may do there what it must.
Result<void> check_placed(const ElfImage& image, const ElfSection& section) {
  const Elf64_Shdr& header = section.header;
  if (!is_loaded(section) || header.sh_size == 0) return {};
  if (is_thread_local(section) && !has_bytes(section)) return {};  // .tbss takes no addresses
  const Elf64_Phdr* const segment = image.segment_of(header.sh_addr, header.sh_size);
  if (segment == nullptr) return malformed(text_of(section) + " lies in none of its segments");
  if (has_bytes(section) ? !image.is_at(header.sh_addr, header.sh_size, header.sh_offset)
                         : header.sh_addr < segment->p_vaddr + segment->p_filesz) {
    return malformed(text_of(section) + " is in another place of the file than its segment");
  }
  if ((header.sh_flags & SHF_WRITE) != 0 && (segment->p_flags & PF_W) == 0) {
    return malformed(text_of(section) + " must be writable, its segment is not");
  }
  if ((header.sh_flags & SHF_EXECINSTR) != 0 && (segment->p_flags & PF_X) == 0) {
    return malformed(text_of(section) + " must be executable, its segment is not");
  }
  return {};
}

/// Whether code writes to it after relocation, so that it must not become read-only.
bool stays_writable(const ElfSection& section) {
  const std::string& name = section.name;
  const auto is_or_of = [&](const std::string& family) {
    return (name == family || name.starts_with(family + ".")) && !name.starts_with(family + ".rel.ro");
  };
  return is_loaded(section) && (section.header.sh_flags & SHF_WRITE) != 0 && !is_thread_local(section) &&
         (is_or_of(".data") || is_or_of(".bss") || is_or_of(".ldata") || is_or_of(".lbss"));
}

Result<void> check_relro(const ElfFile& file) {
  const Elf64_Phdr* const relro = file.segment_of_type(PT_GNU_RELRO);
  if (relro == nullptr) return {};
  const auto page = [](std::uint64_t address) { return address & ~(page_bytes - 1); };
  const std::uint64_t from = page(relro->p_vaddr);
  const std::uint64_t to = page(relro->p_vaddr + relro->p_memsz);
  for (const ElfSection& section : file.sections()) {
    const Elf64_Shdr& header = section.header;
    if (stays_writable(section) && header.sh_addr < to && from < header.sh_addr + header.sh_size) {
      return malformed("what is to become read-only (PT_GNU_RELRO) covers " + text_of(section).substr(4));
    }
  }
  return {};
}

Result<void> check_thread_variables(const ElfFile& file) {
  const Elf64_Phdr* const segment = file.segment_of_type(PT_TLS);
  const ElfSection* first = nullptr;
  std::uint64_t in_file = 0;
  std::uint64_t end = 0;
  for (const ElfSection& section : file.sections()) {
    if (!is_loaded(section) || !is_thread_local(section)) continue;
    if (first == nullptr) first = &section;
    end = section.header.sh_addr + section.header.sh_size;
    if (has_bytes(section)) in_file = end - first->header.sh_addr;
  }
  if (first == nullptr && segment == nullptr) return {};
  if (first == nullptr || segment == nullptr || segment->p_vaddr != first->header.sh_addr ||
      segment->p_filesz != in_file || segment->p_vaddr + segment->p_memsz < end) {
    return malformed("its thread-local variables (PT_TLS) are not what its sections say");
  }
  return {};
}

/// A section and what the dynamic section must say of it. Absent numbers are not compared.
Result<void> compare(const ElfFile& file, std::uint32_t type, const char* name,
                     std::optional<std::uint64_t> address, std::optional<std::uint64_t> size,
                     const std::string& what) {
  const ElfSection* found = nullptr;
  for (const ElfSection& section : file.sections()) {
    if (is_loaded(section) && (type == SHT_NULL || section.header.sh_type == type) &&
        (name == nullptr || section.name == name)) {
      found = &section;
      break;
    }
  }
  const bool there = found != nullptr && (found->header.sh_size > 0 || address);
  if (!there && !address) return {};
  if (!there || !address || found->header.sh_addr != *address || (size && found->header.sh_size != *size)) {
    return malformed(what + " is not where " + (there ? text_of(*found) : "a section") + " is");
  }
  return {};
}

Result<void> check_dynamic(const ElfLibrary& library) {
  const ElfFile& file = library.file();
  const ElfDynamic& dynamic = library.dynamic();
  const Elf64_Phdr& segment = *file.segment_of_type(PT_DYNAMIC);
  const std::uint64_t symbols = library.symbols().size();
  struct Pair {
    std::uint32_t type;
    const char* name;
    std::optional<std::uint64_t> address, size;
    const char* what;
  };
  const Pair pairs[] = {
      {SHT_DYNAMIC, nullptr, segment.p_vaddr, segment.p_memsz, "its dynamic section"},
      {SHT_DYNSYM, nullptr, dynamic.value(DT_SYMTAB), symbols * sizeof(Elf64_Sym), "DT_SYMTAB"},
      {SHT_STRTAB, nullptr, dynamic.value(DT_STRTAB), dynamic.value(DT_STRSZ), "DT_STRTAB"},
      {SHT_GNU_HASH, nullptr, dynamic.value(DT_GNU_HASH), {}, "DT_GNU_HASH"},
      {SHT_HASH, nullptr, dynamic.value(DT_HASH), {}, "DT_HASH"},
      {SHT_GNU_versym, nullptr, dynamic.value(DT_VERSYM), symbols * sizeof(Elf64_Versym), "DT_VERSYM"},
      {SHT_GNU_verneed, nullptr, dynamic.value(DT_VERNEED), {}, "DT_VERNEED"},
      {SHT_GNU_verdef, nullptr, dynamic.value(DT_VERDEF), {}, "DT_VERDEF"},
      {SHT_INIT_ARRAY, nullptr, dynamic.value(DT_INIT_ARRAY), dynamic.value(DT_INIT_ARRAYSZ),
       "DT_INIT_ARRAY"},
      {SHT_FINI_ARRAY, nullptr, dynamic.value(DT_FINI_ARRAY), dynamic.value(DT_FINI_ARRAYSZ),
       "DT_FINI_ARRAY"},
      {SHT_RELR, nullptr, dynamic.value(DT_RELR), dynamic.value(DT_RELRSZ), "DT_RELR"},
      {SHT_PROGBITS, ".init", dynamic.value(DT_INIT), {}, "DT_INIT"},
      {SHT_PROGBITS, ".fini", dynamic.value(DT_FINI), {}, "DT_FINI"},
  };
  for (const Pair& pair : pairs) {
    if (auto same = compare(file, pair.type, pair.name, pair.address, pair.size, pair.what); !same)
      return same;
  }
  const Elf64_Phdr* const unwinding = file.segment_of_type(PT_GNU_EH_FRAME);
  return compare(file, SHT_NULL, ".eh_frame_hdr",
                 unwinding != nullptr ? std::optional(unwinding->p_vaddr) : std::nullopt,
                 unwinding != nullptr ? std::optional(unwinding->p_memsz) : std::nullopt,
                 "its table for unwinding");
}

/// DT_RELA and DT_JMPREL are made of whole sections, and no section of relocations is left out.
Result<void> check_relocation_tables(const ElfLibrary& library) {
  std::uint64_t bytes = 0;
  for (const auto& table :
       {library.dynamic().range(DT_RELA, DT_RELASZ), library.dynamic().range(DT_JMPREL, DT_PLTRELSZ)}) {
    if (table) bytes += table->size;
  }
  for (const ElfSection& section : library.file().sections()) {
    const Elf64_Shdr& header = section.header;
    if (!is_loaded(section) || header.sh_type != SHT_RELA) continue;
    const auto within = [&](const std::optional<ElfRange>& table) {
      return table && header.sh_addr >= table->address &&
             header.sh_addr - table->address + header.sh_size <= table->size;
    };
    if (header.sh_size != 0 && !within(library.dynamic().range(DT_RELA, DT_RELASZ)) &&
        !within(library.dynamic().range(DT_JMPREL, DT_PLTRELSZ))) {
      return malformed(text_of(section) + " is in neither of its two tables of relocations");
    }
    bytes -= header.sh_size;
  }
  if (bytes != 0) return malformed("its tables of relocations are not as long as their sections");
  return {};
}

/// Slots for other libraries' symbols are in the section for them.
Result<void> check_slots(const ElfLibrary& library) {
  std::vector<const Elf64_Shdr*> tables;
  for (const ElfSection& section : library.file().sections()) {
    if (is_loaded(section) && section.name.starts_with(".got")) tables.push_back(&section.header);
  }
  for (const ElfRelocation& relocation : library.relocations()) {
    if (relocation.type != R_X86_64_GLOB_DAT && relocation.type != R_X86_64_JUMP_SLOT) continue;
    const bool in_table = std::any_of(tables.begin(), tables.end(), [&](const Elf64_Shdr* table) {
      return relocation.offset >= table->sh_addr && relocation.offset - table->sh_addr < table->sh_size;
    });
    if (!in_table) {
      return malformed("its relocation at " + hex_address(relocation.offset) + " is for no slot of its .got");
    }
  }
  return {};
}

/// A variable lies in its section. (Others may not: a linker puts _edata and _end where it likes.)
Result<void> check_symbols(const ElfLibrary& library) {
  const auto& sections = library.file().sections();
  for (const Elf64_Sym& symbol : library.symbols()) {
    if (symbol.st_shndx == SHN_UNDEF || symbol.st_shndx >= SHN_LORESERVE) continue;
    if (ELF64_ST_TYPE(symbol.st_info) != STT_OBJECT) continue;
    const Elf64_Shdr& section = sections[symbol.st_shndx - 1u].header;
    if (symbol.st_value < section.sh_addr || symbol.st_value - section.sh_addr > section.sh_size) {
      return malformed("its symbol " + library.name_of(symbol) + " lies outside its section");
    }
  }
  return {};
}

}  // namespace

Result<void> check_sections(const ElfLibrary& library) {
  const ElfFile& file = library.file();
  if (file.sections().empty()) {
    if (file.header().e_shoff == 0 && file.header().e_shstrndx == SHN_UNDEF) return {};
    return malformed("its header says where section headers are, but not how many");
  }
  for (const ElfSection& section : file.sections()) {
    if (auto checked = check_placed(library.image(), section); !checked) return checked;
  }
  if (auto checked = check_relro(file); !checked) return checked;
  if (auto checked = check_thread_variables(file); !checked) return checked;
  if (auto checked = check_dynamic(library); !checked) return checked;
  if (auto checked = check_relocation_tables(library); !checked) return checked;
  if (auto checked = check_slots(library); !checked) return checked;
  return check_symbols(library);
}

}  // namespace perch::elf
