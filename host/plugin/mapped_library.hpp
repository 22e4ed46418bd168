// Where a loaded library is in memory, and whether it still is. dlclose does not say: a unique symbol, -z
// nodelete or a living thread keep it, silently.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "containment/instance_guard.hpp"
#include "plugin/elf_entry.hpp"

namespace perch::plugin {

/// The segments of one loaded library. Valid while it stays loaded.
class MappedLibrary final : public EntryMemory {
 public:
  /// `path`: as it was given to dlopen. Holds nothing when the loader does not list it.
  explicit MappedLibrary(const std::filesystem::path& path);

  bool is_listed() const noexcept { return !segments_.empty(); }
  std::vector<containment::CodeRange> code() const;

  /// Whether the range is this library's and readable.
  bool holds(const void* at, std::uint64_t size) const;
  bool is_code(std::uint64_t address) const override;
  std::optional<std::string> bytes(std::uint64_t address, std::uint64_t size) const override;

 private:
  struct Segment {
    std::uint64_t begin, size;
    bool readable, executable;
  };
  std::vector<Segment> segments_;
};

/// Asks the loader by name (RTLD_NOLOAD), its list of objects (dl_iterate_phdr) and the kernel
/// (/proc/self/maps). `path`: as it was given to dlopen.
bool is_library_mapped(const std::filesystem::path& path);

/// What in the file keeps the loader from ever unmapping it, in words; "" when nothing does.
std::string why_library_never_unmaps(const std::filesystem::path& path);

}  // namespace perch::plugin
