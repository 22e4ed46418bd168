// The section headers, which the loader does not read: they say a second time where everything is.
#pragma once

#include "base/result.hpp"

namespace perch::elf {

class ElfLibrary;

/// Compares them with segments, dynamic section, symbols and relocations. A file without them passes.
Result<void> check_sections(const ElfLibrary& library);

}  // namespace perch::elf
