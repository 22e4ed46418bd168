#include "elf/elf_image.hpp"

#include <algorithm>
#include <cstdio>
#include <cstring>

namespace perch::elf {

tl::unexpected<Error> malformed(const std::string& what) { return fail(ErrorKind::refused, what); }

std::string hex_address(std::uint64_t address) {
  char text[32];
  std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(address));
  return text;
}

ElfImage::ElfImage(const ElfFile& file) : file_(file) {
  for (const Elf64_Phdr& segment : file.segments()) {
    if (segment.p_type == PT_LOAD) segments_.push_back(segment);
  }
}

const Elf64_Phdr* ElfImage::segment_of(std::uint64_t address, std::uint64_t size) const {
  for (const Elf64_Phdr& segment : segments_) {
    if (address < segment.p_vaddr) continue;
    const std::uint64_t at = address - segment.p_vaddr;
    if (at <= segment.p_memsz && size <= segment.p_memsz - at) return &segment;
  }
  return nullptr;
}

bool ElfImage::is_writable(std::uint64_t address, std::uint64_t size) const {
  const Elf64_Phdr* const segment = segment_of(address, size);
  return segment != nullptr && (segment->p_flags & PF_W) != 0;
}

bool ElfImage::is_code(std::uint64_t address) const {
  const Elf64_Phdr* const segment = segment_of(address, 1);
  return segment != nullptr && (segment->p_flags & PF_X) != 0;
}

bool ElfImage::is_in_file(std::uint64_t address, std::uint64_t size) const {
  const Elf64_Phdr* const segment = segment_of(address, size);
  return segment != nullptr && address - segment->p_vaddr + size <= segment->p_filesz;
}

bool ElfImage::is_at(std::uint64_t address, std::uint64_t size, std::uint64_t offset) const {
  return is_in_file(address, size) &&
         address - segment_of(address, size)->p_vaddr + segment_of(address, size)->p_offset == offset;
}

bool ElfImage::read(std::uint64_t address, void* out, std::uint64_t size) const {
  const Elf64_Phdr* const segment = segment_of(address, size);
  if (segment == nullptr) return false;
  const std::uint64_t at = address - segment->p_vaddr;
  const std::uint64_t in_file = at < segment->p_filesz ? std::min(size, segment->p_filesz - at) : 0;
  std::memset(static_cast<char*>(out) + in_file, 0, size - in_file);
  return in_file == 0 || file_.read(segment->p_offset + at, out, in_file);
}

std::optional<std::string> ElfImage::bytes(std::uint64_t address, std::uint64_t size) const {
  if (size > table_bytes_max) return std::nullopt;
  std::string text(size, '\0');
  if (!read(address, text.data(), size)) return std::nullopt;
  return text;
}

}  // namespace perch::elf
