#include "elf/elf_relocations.hpp"

#include <algorithm>
#include <cstring>
#include <map>
#include <set>

namespace perch::elf {
namespace {

constexpr std::uint64_t word_bytes = sizeof(Elf64_Addr);

/// Reads the words that relocations replace; each segment's part of the file is read once.
class WordsInFile {
 public:
  explicit WordsInFile(const ElfImage& image) : image_(image) {}

  std::optional<std::uint64_t> at(std::uint64_t address) {
    const Elf64_Phdr* const segment = image_.segment_of(address, word_bytes);
    if (segment == nullptr || !image_.is_in_file(address, word_bytes)) return std::nullopt;
    auto [place, is_new] = segments_.try_emplace(segment);
    if (is_new) place->second = image_.bytes(segment->p_vaddr, segment->p_filesz).value_or("");
    const std::uint64_t offset = address - segment->p_vaddr;
    if (offset + word_bytes > place->second.size()) return std::nullopt;
    std::uint64_t word;
    std::memcpy(&word, place->second.data() + offset, sizeof word);
    return word;
  }

 private:
  const ElfImage& image_;
  std::map<const Elf64_Phdr*, std::string> segments_;
};

std::string at_address(std::uint64_t address) { return "its relocation at " + hex_address(address); }

/// A table of Elf64_Rela. `plt`: it is DT_JMPREL, which the loader may put off.
Result<void> append_rela(const ElfImage& image, const ElfRange& range, bool plt,
                         std::vector<ElfRelocation>& relocations) {
  const auto entries = image.table<Elf64_Rela>(range.address, range.size);
  if (!entries) return malformed("its relocations cannot be read");
  for (const Elf64_Rela& entry : *entries) {
    const auto type = static_cast<std::uint32_t>(ELF64_R_TYPE(entry.r_info));
    const auto symbol = static_cast<std::uint32_t>(ELF64_R_SYM(entry.r_info));
    const bool of_plt = type == R_X86_64_JUMP_SLOT || type == R_X86_64_IRELATIVE || type == R_X86_64_TLSDESC;
    if (plt ? !of_plt : type == R_X86_64_JUMP_SLOT) {
      return malformed(at_address(entry.r_offset) + " is in the wrong one of its two tables");
    }
    // Linkers leave spare entries, all zero.
    if (type == R_X86_64_NONE && symbol == 0 && entry.r_offset == 0 && entry.r_addend == 0) continue;
    relocations.push_back({entry.r_offset, type, symbol, static_cast<std::uint64_t>(entry.r_addend)});
  }
  return {};
}

/// DT_RELR: an address, then bitmaps of the 63 words behind the last one.
Result<void> append_relr(const ElfImage& image, const ElfRange& range, WordsInFile& words,
                         std::vector<ElfRelocation>& relocations) {
  const auto entries = image.table<std::uint64_t>(range.address, range.size);
  if (!entries) return malformed("its packed relocations cannot be read");
  std::uint64_t next = 0;
  const auto append = [&](std::uint64_t address) {
    const auto word = words.at(address);
    if (word) relocations.push_back({address, R_X86_64_RELATIVE, 0, *word});
    return word.has_value();
  };
  for (std::size_t index = 0; index < entries->size(); ++index) {
    const std::uint64_t entry = (*entries)[index];
    bool good = true;
    if ((entry & 1) == 0) {
      good = append(entry);
      next = entry + word_bytes;
    } else {
      good = index > 0;  // the first bitmap needs an address before it
      for (unsigned bit = 1; bit < 64 && good; ++bit) {
        if (((entry >> bit) & 1) != 0) good = append(next + (bit - 1) * word_bytes);
      }
      next += 63 * word_bytes;
    }
    if (!good) return malformed("its packed relocations (DT_RELR) lead out of its segments");
  }
  return {};
}

/// The loader takes the first DT_RELACOUNT for RELATIVE, and asserts it: a failed assertion ends the host.
Result<void> check_relative_count(const ElfImage& image, const ElfDynamic& dynamic) {
  const auto count = dynamic.value(DT_RELACOUNT);
  if (!count) return {};
  const auto table = dynamic.range(DT_RELA, DT_RELASZ);
  if (!table || *count > table->size / sizeof(Elf64_Rela)) {
    return malformed("DT_RELACOUNT is more than there are relocations");
  }
  const auto entries = image.table<Elf64_Rela>(table->address, *count * sizeof(Elf64_Rela));
  const auto is_relative = [](const Elf64_Rela& entry) {
    return ELF64_R_TYPE(entry.r_info) == R_X86_64_RELATIVE;
  };
  if (!entries || !std::all_of(entries->begin(), entries->end(), is_relative)) {
    return malformed("DT_RELACOUNT counts a relocation that is not relative");
  }
  return {};
}

Result<void> check_type(const ElfImage& image, const ElfRelocation& relocation, bool has_thread_variables) {
  const std::string which = at_address(relocation.offset);
  switch (relocation.type) {
    case R_X86_64_RELATIVE:
      // One behind the end is where the end of an array is.
      if (relocation.symbol == 0 && image.is_mapped(relocation.addend, 0)) return {};
      return malformed(which + " points out of the library");
    case R_X86_64_IRELATIVE:
      if (relocation.symbol == 0 && image.is_code(relocation.addend)) return {};
      return malformed(which + " calls what is no code");
    case R_X86_64_GLOB_DAT:
    case R_X86_64_JUMP_SLOT:
      if (relocation.symbol != 0 && relocation.addend == 0) return {};
      return malformed(which + " is for no symbol");
    case R_X86_64_64:
      if (relocation.symbol != 0) return {};
      return malformed(which + " is for no symbol");
    case R_X86_64_DTPMOD64:
    case R_X86_64_DTPOFF64:
    case R_X86_64_TPOFF64:
    case R_X86_64_TLSDESC:
      if (relocation.symbol != 0 || has_thread_variables) return {};
      return malformed(which + " is for a thread-local variable, but it has none");
    case R_X86_64_COPY:
      return malformed(which + " copies another library's variable, as only programs may");
    default:
      return malformed(which + " has type " + std::to_string(relocation.type) +
                       ", which no linker writes into a shared library");
  }
}

std::uint64_t written_bytes(const ElfRelocation& relocation) {
  return relocation.type == R_X86_64_TLSDESC ? 2 * word_bytes : word_bytes;
}

Result<void> check_place(const ElfImage& image, const ElfRelocation& relocation, std::uint64_t free_from,
                         const Elf64_Phdr& dynamic) {
  const std::uint64_t size = written_bytes(relocation);
  if (!image.is_writable(relocation.offset, size) || !image.is_in_file(relocation.offset, size)) {
    return malformed(at_address(relocation.offset) + " would write outside the library's data");
  }
  if (relocation.offset < free_from) {
    return malformed(at_address(relocation.offset) + " would write where another one does");
  }
  if (relocation.offset < dynamic.p_vaddr + dynamic.p_memsz && dynamic.p_vaddr < relocation.offset + size) {
    return malformed(at_address(relocation.offset) + " would change the dynamic section");
  }
  return {};
}

/// GNU ld leaves the unrelocated pointer where it is to be; lld leaves zero. So the file says it twice, or
/// not.
Result<void> check_words(const std::vector<ElfRelocation>& relocations, WordsInFile& words) {
  bool left_in_place = false;
  std::optional<std::uint64_t> zero_at;
  for (const ElfRelocation& relocation : relocations) {
    if (relocation.type != R_X86_64_RELATIVE) continue;
    const std::uint64_t word = words.at(relocation.offset).value_or(0);
    if (word == 0 && relocation.addend != 0) zero_at = relocation.offset;
    if (word == 0) continue;
    left_in_place = true;
    if (word != relocation.addend) {
      return malformed(at_address(relocation.offset) + " points to " + hex_address(relocation.addend) +
                       ", but the linker left " + hex_address(word) + " there");
    }
  }
  if (left_in_place && zero_at) {
    return malformed(at_address(*zero_at) + " is not where the linker left the pointer");
  }
  return {};
}

/// Linkers make one slot for each symbol. Those of functions follow three words that are the loader's, and
/// all or none of them point to where the function is looked up at its first call.
Result<void> check_slots(const ElfImage& image, const ElfDynamic& dynamic,
                         const std::vector<Elf64_Sym>& symbols, const std::vector<ElfRelocation>& relocations,
                         WordsInFile& words) {
  constexpr std::uint64_t reserved_bytes = 3 * word_bytes;
  const std::uint64_t first = dynamic.value(DT_PLTGOT).value_or(0) + reserved_bytes;
  std::set<std::pair<std::uint32_t, std::uint32_t>> slots;
  std::size_t of_functions = 0;
  std::size_t prepared = 0;
  for (const ElfRelocation& relocation : relocations) {
    if (relocation.type != R_X86_64_GLOB_DAT && relocation.type != R_X86_64_JUMP_SLOT) continue;
    if (relocation.type == R_X86_64_JUMP_SLOT) {
      ++of_functions;
      prepared += image.is_code(words.at(relocation.offset).value_or(0)) ? 1 : 0;
      const bool is_variable = ELF64_ST_TYPE(symbols[relocation.symbol].st_info) == STT_OBJECT;
      if (relocation.offset < first || is_variable) {
        return malformed(at_address(relocation.offset) + " is for no function, or in no function's slot");
      }
    }
    if (relocation.offset % word_bytes != 0 || !slots.emplace(relocation.type, relocation.symbol).second) {
      return malformed(at_address(relocation.offset) + " is a second one for the same symbol, or no slot");
    }
  }
  if (prepared != 0 && prepared != of_functions) {
    return malformed("a relocation is not where the linker made the slot for a function");
  }
  return {};
}

Result<void> check_function_array(const ElfImage& image, const ElfFunctions& functions, const ElfRange& array,
                                  const char* what, const std::vector<ElfRelocation>& relocations,
                                  const std::vector<Elf64_Sym>& symbols) {
  for (std::uint64_t at = array.address; at < array.address + array.size; at += word_bytes) {
    const ElfRelocation* const relocation = relocation_at(relocations, at);
    if (relocation == nullptr) {
      return malformed(std::string("its list of ") + what + " has an entry that is no function");
    }
    const auto target = target_of(*relocation, symbols);
    const bool is_imported = relocation->type == R_X86_64_64 && relocation->symbol != 0 && !target;
    if (!is_imported && (!target || !image.is_code(*target) ||
                         functions.place_of(image, *target) == ElfFunctions::Place::inside)) {
      return malformed(std::string("its list of ") + what + " has an entry that is no function");
    }
  }
  return {};
}

}  // namespace

Result<std::vector<ElfRelocation>> read_relocations(const ElfImage& image, const ElfDynamic& dynamic,
                                                    const std::vector<Elf64_Sym>& symbols,
                                                    const ElfFunctions& functions) {
  WordsInFile words(image);
  std::vector<ElfRelocation> relocations;
  Result<void> checked;
  const auto table = dynamic.range(DT_RELA, DT_RELASZ);
  const auto plt = dynamic.range(DT_JMPREL, DT_PLTRELSZ);
  const auto packed = dynamic.range(DT_RELR, DT_RELRSZ);
  if (table) checked = append_rela(image, *table, false, relocations);
  if (checked && plt) checked = append_rela(image, *plt, true, relocations);
  if (checked && packed) checked = append_relr(image, *packed, words, relocations);
  if (checked) checked = check_relative_count(image, dynamic);
  if (!checked) return fail(checked.error());

  std::sort(relocations.begin(), relocations.end(),
            [](const ElfRelocation& a, const ElfRelocation& b) { return a.offset < b.offset; });
  const bool has_thread_variables = image.file().segment_of_type(PT_TLS) != nullptr;
  const Elf64_Phdr& dynamic_segment = *image.file().segment_of_type(PT_DYNAMIC);  // ElfDynamic has read it
  std::uint64_t free_from = 0;
  for (const ElfRelocation& relocation : relocations) {
    if (relocation.symbol >= symbols.size()) {
      return malformed(at_address(relocation.offset) + " is for a symbol that is not there");
    }
    checked = check_place(image, relocation, free_from, dynamic_segment);
    if (checked) checked = check_type(image, relocation, has_thread_variables);
    if (!checked) return fail(checked.error());
    free_from = relocation.offset + written_bytes(relocation);
  }
  checked = check_words(relocations, words);
  if (checked) checked = check_slots(image, dynamic, symbols, relocations, words);
  const auto constructors = dynamic.range(DT_INIT_ARRAY, DT_INIT_ARRAYSZ);
  const auto destructors = dynamic.range(DT_FINI_ARRAY, DT_FINI_ARRAYSZ);
  if (checked && constructors) {
    checked = check_function_array(image, functions, *constructors, "constructors", relocations, symbols);
  }
  if (checked && destructors) {
    checked = check_function_array(image, functions, *destructors, "destructors", relocations, symbols);
  }
  if (!checked) return fail(checked.error());
  return relocations;
}

const ElfRelocation* relocation_at(const std::vector<ElfRelocation>& relocations, std::uint64_t address) {
  const auto found =
      std::lower_bound(relocations.begin(), relocations.end(), address,
                       [](const ElfRelocation& each, std::uint64_t at) { return each.offset < at; });
  return found == relocations.end() || found->offset != address ? nullptr : &*found;
}

std::optional<std::uint64_t> target_of(const ElfRelocation& relocation,
                                       const std::vector<Elf64_Sym>& symbols) {
  if (relocation.type == R_X86_64_RELATIVE) return relocation.addend;
  if (relocation.type != R_X86_64_64) return std::nullopt;
  const Elf64_Sym& symbol = symbols[relocation.symbol];
  if (symbol.st_shndx == SHN_UNDEF) return std::nullopt;
  return symbol.st_value + relocation.addend;
}

}  // namespace perch::elf
