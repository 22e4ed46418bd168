// ElfImage: a library's file, addressed as the loader will map it. Addresses are the file's own, counted from
// where the loader puts it. All reading is bounds-checked; nothing is mapped.
#pragma once

#include <elf.h>

#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "elf/elf_file.hpp"

namespace perch::elf {

constexpr std::uint64_t page_bytes = 4096;

/// What the loader must not be given: becomes "FILE is a damaged library: …".
tl::unexpected<Error> malformed(const std::string& what);
/// "0x1f40"
std::string hex_address(std::uint64_t address);

/// Not thread safe; the file must outlive this.
class ElfImage {
 public:
  /// Takes the PT_LOAD segments, which check_segments (elf_segments.hpp) has found good.
  explicit ElfImage(const ElfFile& file);

  const ElfFile& file() const noexcept { return file_; }
  /// The segment that holds the whole range in memory; null when none does.
  const Elf64_Phdr* segment_of(std::uint64_t address, std::uint64_t size) const;
  bool is_mapped(std::uint64_t address, std::uint64_t size) const {
    return segment_of(address, size) != nullptr;
  }
  bool is_writable(std::uint64_t address, std::uint64_t size) const;
  bool is_code(std::uint64_t address) const;
  /// Whether the range lies in a segment's part that comes from the file.
  bool is_in_file(std::uint64_t address, std::uint64_t size) const;
  /// Whether the range lies in a segment, and its bytes come from this place of the file.
  bool is_at(std::uint64_t address, std::uint64_t size, std::uint64_t offset) const;

  /// The bytes in memory, of which those beyond the file's part are zero; nothing when the range is in no
  /// segment or over 256 MiB.
  std::optional<std::string> bytes(std::uint64_t address, std::uint64_t size) const;
  /// As many T as fit into the range.
  template <class T>
  std::optional<std::vector<T>> table(std::uint64_t address, std::uint64_t size) const {
    if (size > table_bytes_max) return std::nullopt;
    std::vector<T> entries(size / sizeof(T));
    if (!read(address, entries.data(), entries.size() * sizeof(T))) return std::nullopt;
    return entries;
  }
  template <class T>
  std::optional<T> one(std::uint64_t address) const {
    T value;
    if (!read(address, &value, sizeof value)) return std::nullopt;
    return value;
  }

 private:
  static constexpr std::uint64_t table_bytes_max = std::uint64_t{256} << 20;
  bool read(std::uint64_t address, void* out, std::uint64_t size) const;

  const ElfFile& file_;
  std::vector<Elf64_Phdr> segments_;
};

}  // namespace perch::elf
