#include "check/elf_facts.hpp"

#include <elf.h>
#include <fcntl.h>
#include <gelf.h>
#include <libelf.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "base/unique_fd.hpp"
#include "perch/plugin.h"

namespace perch::check {
namespace {

constexpr std::uint64_t entries_max = 1'000'000;

int entry_count(const GElf_Shdr& header) {
  return header.sh_entsize == 0
             ? 0
             : static_cast<int>(std::min<std::uint64_t>(header.sh_size / header.sh_entsize, entries_max));
}

std::string string_at(Elf* elf, std::size_t section, std::size_t offset) {
  const char* const text = elf_strptr(elf, section, offset);
  return text != nullptr ? text : "?";
}

void read_symbols(Elf* elf, Elf_Scn* section, const GElf_Shdr& header, ElfFacts& facts) {
  Elf_Data* const data = elf_getdata(section, nullptr);
  for (int index = 1; data != nullptr && index < entry_count(header); ++index) {
    GElf_Sym symbol;
    if (gelf_getsym(data, index, &symbol) == nullptr) return;
    const auto binding = GELF_ST_BIND(symbol.st_info);
    const auto visibility = GELF_ST_VISIBILITY(symbol.st_other);
    if (binding == STB_LOCAL || visibility == STV_HIDDEN || visibility == STV_INTERNAL) continue;
    const std::string name = string_at(elf, header.sh_link, symbol.st_name);
    if (symbol.st_shndx != SHN_UNDEF) {
      facts.exported.push_back(name);
    } else if (binding == STB_GLOBAL) {
      facts.undefined.push_back(name);
    }
  }
}

void read_dynamic(Elf* elf, Elf_Scn* section, const GElf_Shdr& header, ElfFacts& facts) {
  Elf_Data* const data = elf_getdata(section, nullptr);
  for (int index = 0; data != nullptr && index < entry_count(header); ++index) {
    GElf_Dyn entry;
    if (gelf_getdyn(data, index, &entry) == nullptr || entry.d_tag == DT_NULL) return;
    const auto value = entry.d_un.d_val;
    if (entry.d_tag == DT_NEEDED) facts.needed.push_back(string_at(elf, header.sh_link, value));
    if (entry.d_tag == DT_TEXTREL) facts.has_text_relocations = true;
    if (entry.d_tag == DT_FLAGS && (value & DF_TEXTREL) != 0) facts.has_text_relocations = true;
    if (entry.d_tag == DT_FLAGS && (value & DF_BIND_NOW) != 0) facts.binds_now = true;
    if (entry.d_tag == DT_FLAGS_1 && (value & DF_1_NOW) != 0) facts.binds_now = true;
  }
}

bool has_note(Elf_Data* data, std::string_view owner, std::uint32_t type) {
  GElf_Nhdr note;
  std::size_t name = 0;
  std::size_t text = 0;
  for (std::size_t at = 0; data != nullptr && (at = gelf_getnote(data, at, &note, &name, &text)) > 0;) {
    const std::string_view found(static_cast<const char*>(data->d_buf) + name,
                                 note.n_namesz > 0 ? note.n_namesz - 1 : 0);
    if (found == owner && note.n_type == type) return true;
  }
  return false;
}

void read_sections(Elf* elf, ElfFacts& facts) {
  for (Elf_Scn* at = elf_nextscn(elf, nullptr); at != nullptr; at = elf_nextscn(elf, at)) {
    GElf_Shdr header;
    if (gelf_getshdr(at, &header) == nullptr) continue;
    if (header.sh_type == SHT_DYNSYM) read_symbols(elf, at, header, facts);
    if (header.sh_type == SHT_DYNAMIC) read_dynamic(elf, at, header, facts);
    if (header.sh_type == SHT_NOTE && has_note(elf_getdata(at, nullptr), PERCH_NOTE_OWNER, PERCH_NOTE_TYPE)) {
      facts.has_manifest_section = true;
    }
  }
}

void read_segments(Elf* elf, ElfFacts& facts) {
  std::size_t count = 0;
  if (elf_getphdrnum(elf, &count) != 0) return;
  for (std::size_t index = 0; index < count; ++index) {
    GElf_Phdr segment;
    if (gelf_getphdr(elf, static_cast<int>(index), &segment) == nullptr) return;
    if (segment.p_type == PT_GNU_STACK) facts.has_executable_stack = (segment.p_flags & PF_X) != 0;
    if (segment.p_type != PT_NOTE) continue;
    Elf_Data* const notes =
        elf_getdata_rawchunk(elf, static_cast<std::int64_t>(segment.p_offset), segment.p_filesz,
                             segment.p_align == 8 ? ELF_T_NHDR8 : ELF_T_NHDR);
    if (has_note(notes, PERCH_NOTE_OWNER, PERCH_NOTE_TYPE)) facts.has_manifest_segment = true;
    if (has_note(notes, "GNU", NT_GNU_BUILD_ID)) facts.has_build_id = true;
  }
}

}  // namespace

Result<ElfFacts> read_elf_facts(const std::filesystem::path& file) {
  const UniqueFd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return fail_errno(file.string());
  elf_version(EV_CURRENT);
  const std::unique_ptr<Elf, int (*)(Elf*)> elf(elf_begin(fd.get(), ELF_C_READ, nullptr), elf_end);
  if (elf == nullptr) return fail(file.string() + ": " + elf_errmsg(-1));
  ElfFacts facts;
  read_sections(elf.get(), facts);
  read_segments(elf.get(), facts);
  return facts;
}

}  // namespace perch::check
