// What a file is that is no reader plugin, in words for the one who took it for one.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/unique_fd.hpp"

namespace perch::elf {

/// "a text file", "a static library (ar archive)", "an ELF executable for AArch64" …; "" for an x86-64 ELF
/// file of type ET_DYN. `start`: the file's first bytes, at least 64 where it has as many.
std::string what_else_it_is(std::string_view start);

struct RegularFile {
  UniqueFd fd;
  std::uint64_t size = 0;
};

/// Opens it for reading, and never waits for a FIFO's writer. `flags`: O_NOFOLLOW, or 0. Errors: `not_found`;
/// `refused` for a directory, a device … and a link that is not to be followed.
Result<RegularFile> open_regular(const std::filesystem::path& path, int flags);
/// The same of what has been opened already.
Result<RegularFile> regular_file(UniqueFd fd, const std::filesystem::path& path);

}  // namespace perch::elf
