#include "elf/elf_dynamic.hpp"

#include <algorithm>
#include <iterator>

namespace perch::elf {
namespace {

/// psABI x86-64, for `-z mark-plt`.
constexpr std::int64_t x86_64_plt = 0x70000000, x86_64_plt_size = 0x70000001, x86_64_plt_entry = 0x70000003;

enum class Kind { number, file, data, code, string, exactly };

struct Rule {
  std::int64_t tag;
  const char* name;
  Kind kind;
  std::uint64_t expected = 0;  ///< for `exactly`
};

constexpr Rule rules[] = {
    {DT_NEEDED, "DT_NEEDED", Kind::string},
    {DT_SONAME, "DT_SONAME", Kind::string},
    {DT_RPATH, "DT_RPATH", Kind::string},
    {DT_RUNPATH, "DT_RUNPATH", Kind::string},
    {DT_STRTAB, "DT_STRTAB", Kind::file},
    {DT_STRSZ, "DT_STRSZ", Kind::number},
    {DT_SYMTAB, "DT_SYMTAB", Kind::file},
    {DT_SYMENT, "DT_SYMENT", Kind::exactly, sizeof(Elf64_Sym)},
    {DT_HASH, "DT_HASH", Kind::file},
    {DT_GNU_HASH, "DT_GNU_HASH", Kind::file},
    {DT_RELA, "DT_RELA", Kind::file},
    {DT_RELASZ, "DT_RELASZ", Kind::number},
    {DT_RELAENT, "DT_RELAENT", Kind::exactly, sizeof(Elf64_Rela)},
    {DT_RELACOUNT, "DT_RELACOUNT", Kind::number},
    {DT_RELR, "DT_RELR", Kind::file},
    {DT_RELRSZ, "DT_RELRSZ", Kind::number},
    {DT_RELRENT, "DT_RELRENT", Kind::exactly, sizeof(Elf64_Xword)},
    {DT_JMPREL, "DT_JMPREL", Kind::file},
    {DT_PLTRELSZ, "DT_PLTRELSZ", Kind::number},
    {DT_PLTREL, "DT_PLTREL", Kind::exactly, DT_RELA},
    {DT_PLTGOT, "DT_PLTGOT", Kind::data},
    {DT_INIT, "DT_INIT", Kind::code},
    {DT_FINI, "DT_FINI", Kind::code},
    {DT_INIT_ARRAY, "DT_INIT_ARRAY", Kind::data},
    {DT_INIT_ARRAYSZ, "DT_INIT_ARRAYSZ", Kind::number},
    {DT_FINI_ARRAY, "DT_FINI_ARRAY", Kind::data},
    {DT_FINI_ARRAYSZ, "DT_FINI_ARRAYSZ", Kind::number},
    {DT_VERSYM, "DT_VERSYM", Kind::file},
    {DT_VERNEED, "DT_VERNEED", Kind::file},
    {DT_VERNEEDNUM, "DT_VERNEEDNUM", Kind::number},
    {DT_VERDEF, "DT_VERDEF", Kind::file},
    {DT_VERDEFNUM, "DT_VERDEFNUM", Kind::number},
    {DT_SYMBOLIC, "DT_SYMBOLIC", Kind::number},
    {DT_BIND_NOW, "DT_BIND_NOW", Kind::number},
    {DT_FLAGS, "DT_FLAGS", Kind::number},
    {DT_FLAGS_1, "DT_FLAGS_1", Kind::number},
    {DT_TLSDESC_PLT, "DT_TLSDESC_PLT", Kind::code},
    {DT_TLSDESC_GOT, "DT_TLSDESC_GOT", Kind::data},
    {x86_64_plt, "DT_X86_64_PLT", Kind::code},
    {x86_64_plt_size, "DT_X86_64_PLTSZ", Kind::number},
    {x86_64_plt_entry, "DT_X86_64_PLTENT", Kind::number},
};

struct TableRule {
  std::int64_t address, size;
  std::uint64_t entry_bytes;
  std::int64_t also;  ///< a tag that must be there with them; 0: none
};

constexpr TableRule table_rules[] = {
    {DT_STRTAB, DT_STRSZ, 1, DT_SYMTAB},
    {DT_RELA, DT_RELASZ, sizeof(Elf64_Rela), DT_RELAENT},
    {DT_RELR, DT_RELRSZ, sizeof(Elf64_Xword), DT_RELRENT},
    {DT_JMPREL, DT_PLTRELSZ, sizeof(Elf64_Rela), DT_PLTREL},
    {DT_INIT_ARRAY, DT_INIT_ARRAYSZ, sizeof(Elf64_Addr), 0},
    {DT_FINI_ARRAY, DT_FINI_ARRAYSZ, sizeof(Elf64_Addr), 0},
};

constexpr std::uint64_t known_flags = DF_ORIGIN | DF_SYMBOLIC | DF_BIND_NOW | DF_STATIC_TLS;
constexpr std::uint64_t known_flags_1 = DF_1_NOW | DF_1_NODELETE | DF_1_ORIGIN | DF_1_NODEFLIB | DF_1_NODUMP;

std::string name_of(std::int64_t tag) {
  const auto rule =
      std::find_if(std::begin(rules), std::end(rules), [&](const Rule& r) { return r.tag == tag; });
  return rule == std::end(rules) ? hex_address(static_cast<std::uint64_t>(tag)) : rule->name;
}

Result<void> check_value(const ElfImage& image, const Rule& rule, std::uint64_t value) {
  const std::string what = std::string(rule.name) + " (" + hex_address(value) + ")";
  switch (rule.kind) {
    case Kind::file:
      if (image.is_in_file(value, 1)) return {};
      return malformed(what + " lies in none of its segments");
    case Kind::data:
      if (image.is_writable(value, sizeof(Elf64_Addr)) && value % sizeof(Elf64_Addr) == 0) return {};
      return malformed(what + " lies in no writable segment");
    case Kind::code:
      if (image.is_code(value)) return {};
      return malformed(what + " lies in no executable segment");
    case Kind::exactly:
      if (value == rule.expected) return {};
      return malformed(std::string(rule.name) + " is " + std::to_string(value) + " and must be " +
                       std::to_string(rule.expected));
    default:
      return {};
  }
}

Result<void> check_forbidden(const Elf64_Dyn& entry) {
  const std::uint64_t value = entry.d_un.d_val;
  switch (entry.d_tag) {
    case DT_TEXTREL:
      return malformed("its code has to be changed while it is loaded (DT_TEXTREL): compile it with -fPIC");
    case DT_PREINIT_ARRAY:
    case DT_PREINIT_ARRAYSZ:
      return malformed("it has constructors that only programs may have (DT_PREINIT_ARRAY)");
    case DT_REL:
      return malformed("it has relocations of a kind that x86-64 does not use (DT_REL)");
    case DT_AUXILIARY:
    case DT_FILTER:
      return malformed("it stands for another library (DT_FILTER)");
    case DT_FLAGS:
      if ((value & DF_TEXTREL) != 0) {
        return malformed("its code has to be changed while it is loaded (DF_TEXTREL): compile it with -fPIC");
      }
      if ((value & ~known_flags) == 0) return {};
      return malformed("DT_FLAGS asks the loader for something unknown: " +
                       hex_address(value & ~known_flags));
    case DT_FLAGS_1:
      if ((value & ~known_flags_1) == 0) return {};
      return malformed("DT_FLAGS_1 asks the loader for what a plugin must not: " +
                       hex_address(value & ~known_flags_1));
    default:
      return {};
  }
}

}  // namespace

Result<ElfDynamic> ElfDynamic::read(const ElfImage& image) {
  const Elf64_Phdr* const segment = image.file().segment_of_type(PT_DYNAMIC);
  if (segment == nullptr || segment->p_vaddr % sizeof(Elf64_Addr) != 0 ||
      segment->p_memsz % sizeof(Elf64_Dyn) != 0 || !image.is_writable(segment->p_vaddr, segment->p_memsz)) {
    return malformed("its dynamic section is not whole, aligned and in a writable segment");
  }
  const auto entries = image.table<Elf64_Dyn>(segment->p_vaddr, segment->p_memsz);
  if (!entries) return malformed("its dynamic section cannot be read");
  ElfDynamic dynamic;
  const auto end =
      std::find_if(entries->begin(), entries->end(), [](const Elf64_Dyn& e) { return e.d_tag == DT_NULL; });
  if (end == entries->end()) return malformed("its dynamic section has no end");
  for (auto entry = entries->begin(); entry != end; ++entry) {
    if (auto taken = dynamic.take(image, *entry); !taken) return fail(taken.error());
  }
  // Linkers leave spare entries, which say DT_NULL as well: others were cut off by a damaged tag.
  if (std::any_of(end, entries->end(), [](const Elf64_Dyn& e) { return e.d_tag != DT_NULL; })) {
    return malformed("its dynamic section goes on behind its end");
  }
  if (auto checked = dynamic.check_tables(image); !checked) return fail(checked.error());
  if (auto read = dynamic.read_strings(image); !read) return fail(read.error());
  return dynamic;
}

Result<void> ElfDynamic::take(const ElfImage& image, const Elf64_Dyn& entry) {
  if (auto checked = check_forbidden(entry); !checked) return checked;
  const auto rule =
      std::find_if(std::begin(rules), std::end(rules), [&](const Rule& r) { return r.tag == entry.d_tag; });
  if (rule == std::end(rules)) {
    return malformed("its dynamic section has an entry of the unknown kind " + name_of(entry.d_tag));
  }
  if (auto checked = check_value(image, *rule, entry.d_un.d_val); !checked) return checked;
  if (entry.d_tag == DT_NEEDED) {
    needed_offsets_.push_back(entry.d_un.d_val);
    return {};
  }
  if (!values_.emplace(entry.d_tag, entry.d_un.d_val).second) {
    return malformed(std::string("its dynamic section has ") + rule->name + " twice");
  }
  return {};
}

Result<void> ElfDynamic::check_tables(const ElfImage& image) const {
  for (const TableRule& rule : table_rules) {
    const bool there = values_.contains(rule.address);
    const bool complete =
        there == values_.contains(rule.size) && (rule.also == 0 || there == values_.contains(rule.also));
    if (!complete) {
      return malformed("its dynamic section has " + name_of(rule.address) + " without " + name_of(rule.size) +
                       (rule.also == 0 ? "" : " and " + name_of(rule.also)) + ", or the other way round");
    }
    if (!there) continue;
    const std::uint64_t size = values_.at(rule.size);
    if (size % rule.entry_bytes != 0 || !image.is_in_file(values_.at(rule.address), size)) {
      return malformed(name_of(rule.address) + " with " + std::to_string(size) +
                       " bytes reaches beyond its segment, or ends within an entry");
    }
  }
  if (!values_.contains(DT_STRTAB) || !values_.contains(DT_SYMENT)) {
    return malformed("its dynamic section names no symbols and strings");
  }
  if (!values_.contains(DT_HASH) && !values_.contains(DT_GNU_HASH)) {
    return malformed("its symbols cannot be looked up: it has no hash table");
  }
  return {};
}

Result<void> ElfDynamic::read_strings(const ElfImage& image) {
  const ElfRange table = *range(DT_STRTAB, DT_STRSZ);
  auto strings = image.bytes(table.address, table.size);
  if (!strings || strings->empty() || strings->front() != '\0' || strings->back() != '\0') {
    return malformed("its string table does not begin and end with a NUL");
  }
  strings_ = std::move(*strings);
  for (const std::uint64_t offset : needed_offsets_) {
    const auto name = string(offset);
    if (!name || name->empty())
      return malformed("a library that it needs has its name outside the string table");
    needed_.push_back(*name);
  }
  for (const std::int64_t tag : {DT_SONAME, DT_RPATH, DT_RUNPATH}) {
    if (values_.contains(tag) && !string(values_.at(tag))) {
      return malformed(name_of(tag) + " is outside the string table");
    }
  }
  return {};
}

std::optional<std::uint64_t> ElfDynamic::value(std::int64_t tag) const {
  const auto found = values_.find(tag);
  if (found == values_.end()) return std::nullopt;
  return found->second;
}

std::optional<ElfRange> ElfDynamic::range(std::int64_t address_tag, std::int64_t size_tag) const {
  const auto address = value(address_tag);
  const auto size = value(size_tag);
  if (!address || !size) return std::nullopt;
  return ElfRange{*address, *size};
}

std::optional<std::string> ElfDynamic::string(std::uint64_t offset) const {
  if (offset >= strings_.size()) return std::nullopt;
  return std::string(strings_.c_str() + offset);
}

}  // namespace perch::elf
