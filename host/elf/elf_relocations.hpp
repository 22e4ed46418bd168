// The relocations: where the loader writes before any code runs, and what.
#pragma once

#include <cstdint>
#include <vector>

#include "base/result.hpp"
#include "elf/elf_dynamic.hpp"
#include "elf/elf_functions.hpp"

namespace perch::elf {

struct ElfRelocation {
  std::uint64_t offset = 0;  ///< the address that is written to
  std::uint32_t type = 0;    ///< R_X86_64_…; those of DT_RELR are R_X86_64_RELATIVE
  std::uint32_t symbol = 0;  ///< index; 0: none
  std::uint64_t addend = 0;
};

/// All of them, sorted by offset. Checks each: known type, symbol there, an offset of its own in writable
/// memory that the loader does not read itself, a target inside the library. Constructors and destructors
/// (DT_INIT_ARRAY, DT_FINI_ARRAY) must point to code.
Result<std::vector<ElfRelocation>> read_relocations(const ElfImage& image, const ElfDynamic& dynamic,
                                                    const std::vector<Elf64_Sym>& symbols,
                                                    const ElfFunctions& functions);

/// The relocation of the pointer at this address; null when there is none.
const ElfRelocation* relocation_at(const std::vector<ElfRelocation>& relocations, std::uint64_t address);

/// Where the relocated pointer will point within the library; nothing when that is elsewhere, or unknown
/// before it is loaded.
std::optional<std::uint64_t> target_of(const ElfRelocation& relocation,
                                       const std::vector<Elf64_Sym>& symbols);

}  // namespace perch::elf
