// Is a library still mapped? dlclose does not say: a unique symbol, -z nodelete or a living thread keep it,
// silently.
#pragma once

#include <filesystem>
#include <string>

namespace perch::readers {

/// Asks the loader by name (RTLD_NOLOAD), its list of objects (dl_iterate_phdr) and the kernel
/// (/proc/self/maps). `path`: as it was given to dlopen.
bool is_library_mapped(const std::filesystem::path& path);

/// What in the file keeps the loader from ever unmapping it, in words; "" when nothing does.
std::string why_library_never_unmaps(const std::filesystem::path& path);

}  // namespace perch::readers
