// The file as `perch inspect` sees it, for checks that judge it without running it.
#pragma once

#include <optional>

#include "check/check.hpp"
#include "plugin/elf_inspection.hpp"

namespace perch::check {

/// Nothing, and the check has failed and ended, when the host would not load the file.
std::optional<plugin::Inspection> inspected_file(CheckContext& context);

}  // namespace perch::check
