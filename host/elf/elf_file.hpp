// ElfFile: what the host reads of a shared library before any of its code runs: headers and notes. Nothing is
// mapped or executed, and every offset and size is checked against the file before it is used: the file may
// be anything.
#pragma once

#include <gelf.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace perch::elf {

struct ElfSection {
  std::string name;  ///< "" when the file says none that can be read
  Elf64_Shdr header;
};

/// The descriptor of a note, and where it was found.
struct ElfNote {
  std::string text;
  std::uint64_t offset = 0;  ///< in the file, of the descriptor
  std::string found_in;      ///< "section .note.perch", "a PT_NOTE segment" or both
};

/// Not thread safe. The descriptor stays the caller's and must outlive this.
class ElfFile {
 public:
  /// Takes x86-64 shared libraries. Errors say what the file is instead, or where it is cut off.
  static Result<ElfFile> open(int fd, const std::filesystem::path& name);

  const std::string& name() const noexcept { return name_; }
  const Elf64_Ehdr& header() const noexcept { return header_; }
  /// As they stand in the file: within it, but for the rest unchecked.
  const std::vector<Elf64_Phdr>& segments() const noexcept { return segments_; }
  /// The first of this type; null when there is none.
  const Elf64_Phdr* segment_of_type(std::uint32_t type) const noexcept;
  /// All but the first, which is none; empty when the file has no section headers. Unchecked.
  const std::vector<ElfSection>& sections() const noexcept { return sections_; }
  std::uint64_t size() const noexcept { return size_; }

  /// Whether a program would be started from it: such files are ET_DYN as well.
  bool is_executable() const;

  /// The note of this owner and type, looked for in sections `section` and in the PT_NOTE segments (strip and
  /// patchelf can lose one or the other). Errors: none there, several, over `bytes_max`, cut off.
  Result<ElfNote> find_note(const char* section, const char* owner, std::uint32_t type,
                            std::size_t bytes_max) const;
  /// The GNU build-id in hex, "" when there is none.
  std::string build_id() const;

  bool read(std::uint64_t offset, void* out, std::size_t size) const;

 private:
  struct NoteArea {
    std::uint64_t offset, size, align;
    std::string place;
  };

  ElfFile() = default;
  Result<void> check_header();
  Result<void> read_headers();
  std::vector<NoteArea> note_areas(const char* section) const;
  tl::unexpected<Error> refuse(const std::string& what) const;

  int fd_ = -1;
  std::uint64_t size_ = 0;
  std::string name_;
  Elf64_Ehdr header_{};
  std::vector<Elf64_Phdr> segments_;
  std::vector<ElfSection> sections_;
};

}  // namespace perch::elf
