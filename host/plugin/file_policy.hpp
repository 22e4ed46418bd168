// FilePolicy: which files the host loads code from: those that nobody but its own user, or root, can have
// written.
#pragma once

#include <filesystem>

#include "base/result.hpp"
#include "elf/elf_kind.hpp"

namespace perch::plugin {

/// Opens a plugin file; what is looked at and what is returned is the same descriptor.
///
/// The file and the folders that it lies in belong to the host's user or to root, and neither group nor
/// others may write them. In `watched_folder` (empty: none) a name may be a symbolic link that stays beneath
/// it, and every folder from there down to the file is looked at; elsewhere links are refused. Errors:
/// `not_found`; `refused`, with what is wrong and the command that mends it.
///
/// (openat2(2) resolves the link; what it leads to is opened once, so that exchanging it later changes
/// nothing.)
Result<elf::RegularFile> open_trusted(const std::filesystem::path& path,
                                      const std::filesystem::path& watched_folder);

}  // namespace perch::plugin
