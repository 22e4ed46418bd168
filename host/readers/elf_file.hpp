// ElfFile: what the host reads of a shared library before any of its code runs. Nothing is mapped or
// executed, and every offset and size is checked against the file before it is used: the file may be
// anything.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/result.hpp"

struct Elf;

namespace perch::readers {

/// Not thread safe. The descriptor stays the caller's and must outlive this.
class ElfFile {
 public:
  /// Errors tell a text file, another kind of file, a truncated one, one for another machine and an object
  /// that is no shared library apart. `name` is for messages.
  static Result<ElfFile> open(int fd, const std::filesystem::path& name);

  /// The descriptor of the first note of this owner and type, looked for in section `section`, then in the
  /// PT_NOTE segments (strip and patchelf can lose one or the other). Errors: none there, over `bytes_max`,
  /// cut off.
  Result<std::string> find_note(const char* section, const char* owner, std::uint32_t type,
                                std::size_t bytes_max) const;

  /// Why the loader would never unmap this library, in words; "" when nothing in the file says so.
  std::string why_never_unmapped() const;

 private:
  struct CloseElf {
    void operator()(Elf* elf) const noexcept;
  };
  struct Extent {
    std::uint64_t offset, size, align;
  };

  ElfFile() = default;
  Result<void> check_header() const;
  Result<void> check_extents() const;
  std::vector<Extent> note_sections(const char* section) const;
  std::vector<Extent> note_segments() const;
  bool read(std::uint64_t offset, void* out, std::size_t size) const;

  int fd_ = -1;
  std::uint64_t file_size_ = 0;
  std::string name_;
  std::unique_ptr<Elf, CloseElf> elf_;
};

}  // namespace perch::readers
