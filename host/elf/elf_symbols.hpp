// The dynamic symbols, their hash tables and versions: what the loader walks through to find a name.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "elf/elf_dynamic.hpp"

namespace perch::elf {

/// Reads DT_SYMTAB and checks each symbol: name in the string table, value in the right segment. Its length
/// comes from the hash tables, which are checked as the loader walks them: every chain ends, every name is
/// where it is looked for.
Result<std::vector<Elf64_Sym>> read_symbols(const ElfImage& image, const ElfDynamic& dynamic);

/// DT_VERSYM, DT_VERNEED and DT_VERDEF: the chains end, no symbol names a version that is not there, and
/// none is there twice.
Result<void> check_versions(const ElfImage& image, const ElfDynamic& dynamic,
                            const std::vector<Elf64_Sym>& symbols);

}  // namespace perch::elf
