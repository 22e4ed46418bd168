// The program headers: what the loader maps, and where it looks for everything else.
#pragma once

#include "base/result.hpp"
#include "elf/elf_image.hpp"

namespace perch::elf {

/// PT_LOAD: in order, apart, readable, none both writable and executable, within bounds. First of all checks:
/// an ElfImage is made of these.
Result<void> check_load_segments(const ElfFile& file);
/// All others: within those, each once, none that a plugin must not have.
Result<void> check_other_segments(const ElfImage& image);

}  // namespace perch::elf
