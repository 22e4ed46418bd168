#include "plugin/mapped_library.hpp"

#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>

#include <algorithm>
#include <fstream>

#include "base/unique_fd.hpp"
#include "elf/elf_library.hpp"

namespace perch::plugin {
namespace {

bool loader_knows_name(const std::filesystem::path& path) {
  void* const handle = dlopen(path.c_str(), RTLD_LAZY | RTLD_NOLOAD);
  if (handle == nullptr) return false;
  dlclose(handle);  // gives back the reference that asking took
  return true;
}

bool kernel_maps_file(const std::filesystem::path& path) {
  std::error_code error;
  const std::string name = std::filesystem::absolute(path, error).lexically_normal().string();
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    if (line.find(name) != std::string::npos) return true;
  }
  return false;
}

}  // namespace

MappedLibrary::MappedLibrary(const std::filesystem::path& path) {
  struct Search {
    const std::string& name;
    std::vector<Segment>& segments;
  } search{path.native(), segments_};
  dl_iterate_phdr(
      [](dl_phdr_info* info, std::size_t, void* context) {
        const auto* const looking = static_cast<const Search*>(context);
        if (info->dlpi_name == nullptr || looking->name != info->dlpi_name) return 0;
        for (int index = 0; index < info->dlpi_phnum; ++index) {
          const auto& segment = info->dlpi_phdr[index];
          if (segment.p_type != PT_LOAD) continue;
          looking->segments.push_back({info->dlpi_addr + segment.p_vaddr, segment.p_memsz,
                                       (segment.p_flags & PF_R) != 0, (segment.p_flags & PF_X) != 0});
        }
        return 1;
      },
      &search);
}

std::vector<containment::CodeRange> MappedLibrary::code() const {
  std::vector<containment::CodeRange> ranges;
  for (const Segment& segment : segments_) {
    if (segment.executable) ranges.push_back({segment.begin, segment.begin + segment.size});
  }
  return ranges;
}

bool MappedLibrary::holds(const void* at, std::uint64_t size) const {
  const auto address = reinterpret_cast<std::uintptr_t>(at);
  return std::any_of(segments_.begin(), segments_.end(), [&](const Segment& segment) {
    return segment.readable && address >= segment.begin && address - segment.begin <= segment.size &&
           size <= segment.size - (address - segment.begin);
  });
}

bool MappedLibrary::is_code(std::uint64_t address) const {
  return std::any_of(segments_.begin(), segments_.end(), [&](const Segment& segment) {
    return segment.executable && address >= segment.begin && address - segment.begin < segment.size;
  });
}

std::optional<std::string> MappedLibrary::bytes(std::uint64_t address, std::uint64_t size) const {
  const auto* const at = reinterpret_cast<const char*>(address);
  if (!holds(at, size)) return std::nullopt;
  return std::string(at, size);
}

bool is_library_mapped(const std::filesystem::path& path) {
  return loader_knows_name(path) || MappedLibrary(path).is_listed() || kernel_maps_file(path);
}

std::string why_library_never_unmaps(const std::filesystem::path& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return {};
  const auto file = elf::ElfFile::open(fd.get(), path);
  if (!file) return {};
  const auto library = elf::ElfLibrary::read(*file);
  return library ? library->why_never_unmapped() : std::string();
}

}  // namespace perch::plugin
