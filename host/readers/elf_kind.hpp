// What a file is that is no reader plugin, in words for the one who took it for one.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

namespace perch::readers {

/// "a text file", "a static library (ar archive)", "an ELF executable for AArch64" …; "" for an x86-64 ELF
/// file of type ET_DYN. `start`: the file's first bytes, at least 64 where it has as many.
std::string what_else_it_is(std::string_view start);

/// "a directory", "a FIFO" …; "" for a regular file.
std::string what_else_it_is(mode_t mode);

}  // namespace perch::readers
