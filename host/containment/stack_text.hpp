// Addresses of code as people read them: "vwap.3.0123456789abcdef.so+0x1a2b (Vwap::on_commit(...)+0x3f)".
#pragma once

#include <string>
#include <vector>

namespace perch::containment {

/// The frames down to the host's own, which are the same for every reader.
std::vector<std::string> plugin_frames(void* const* frames, int count, int lines_max);

/// Function names come from the file's own symbols (.symtab, else .dynsym), demangled. Not for signal
/// handlers. `is_exact`: the address itself; else it is where a call returns to, and the call is before it.
std::string frame_text(const void* address, bool is_exact);

/// "file+0xoffset", from the loader's list alone. Async-signal-safe; cut to `size`, NUL-terminated.
void write_place(const void* address, char* text, unsigned long size) noexcept;

}  // namespace perch::containment
