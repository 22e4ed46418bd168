#include "readers/mapped_library.hpp"

#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>

#include <fstream>

#include "base/unique_fd.hpp"
#include "readers/elf_file.hpp"

namespace perch::readers {
namespace {

bool loader_knows_name(const std::filesystem::path& path) {
  void* const handle = dlopen(path.c_str(), RTLD_LAZY | RTLD_NOLOAD);
  if (handle == nullptr) return false;
  dlclose(handle);  // gives back the reference that asking took
  return true;
}

bool loader_lists_object(const std::filesystem::path& path) {
  struct Search {
    const std::string& name;
    bool found;
  } search{path.native(), false};
  dl_iterate_phdr(
      [](dl_phdr_info* info, std::size_t, void* context) {
        auto* const looking = static_cast<Search*>(context);
        if (info->dlpi_name != nullptr && looking->name == info->dlpi_name) looking->found = true;
        return looking->found ? 1 : 0;
      },
      &search);
  return search.found;
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

bool is_library_mapped(const std::filesystem::path& path) {
  return loader_knows_name(path) || loader_lists_object(path) || kernel_maps_file(path);
}

std::string why_library_never_unmaps(const std::filesystem::path& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return {};
  const auto file = ElfFile::open(fd.get(), path);
  return file ? file->why_never_unmapped() : std::string();
}

}  // namespace perch::readers
