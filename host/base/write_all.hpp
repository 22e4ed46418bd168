// write_all: write(2) until everything is written.
#pragma once

#include <string_view>

namespace perch {

/// For descriptors that block. False: an error, which errno tells; a part may be written.
bool write_all(int fd, std::string_view bytes) noexcept;

}  // namespace perch
