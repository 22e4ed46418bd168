#include "elf/elf_functions.hpp"

#include <algorithm>
#include <cstddef>

namespace perch::elf {

ElfFunctions::ElfFunctions(const ElfImage& image) {
  const Elf64_Phdr* const segment = image.file().segment_of_type(PT_GNU_EH_FRAME);
  if (segment != nullptr) table_ = segment->p_vaddr;
  // LSB Core, "DWARF Extensions": version, then how the pointer to .eh_frame, the count and the table are
  // written: relative 32-bit numbers, and the count as it is.
  struct Header {
    std::uint8_t version, frame_encoding, count_encoding, table_encoding;
    std::int32_t frame;
    std::uint32_t count;
  };
  const auto header = image.one<Header>(table_);
  if (table_ == 0 || !header || header->version != 1 || header->frame_encoding != 0x1b ||
      header->count_encoding != 0x03 || header->table_encoding != 0x3b) {
    return;
  }
  auto entries = image.table<Entry>(table_ + sizeof(Header), header->count * sizeof(Entry));
  if (entries) entries_ = std::move(*entries);
}

ElfFunctions::Place ElfFunctions::place_of(const ElfImage& image, std::uint64_t address) const {
  const auto next = std::upper_bound(entries_.begin(), entries_.end(), address,
                                     [this](std::uint64_t at, const Entry& entry) {
                                       return at < table_ + static_cast<std::uint64_t>(entry.function);
                                     });
  if (next == entries_.begin()) return Place::unknown;
  const Entry& entry = *(next - 1);
  const std::uint64_t begin = table_ + static_cast<std::uint64_t>(entry.function);
  if (begin == address) return Place::start;
  struct Description {
    std::uint32_t length, common;
    std::int32_t begin;  // relative to itself
    std::uint32_t size;
  };
  const std::uint64_t description_at = table_ + static_cast<std::uint64_t>(entry.description);
  const auto description = image.one<Description>(description_at);
  if (!description) return Place::unknown;
  const std::uint64_t begin_at = description_at + offsetof(Description, begin);
  if (begin_at + static_cast<std::uint64_t>(description->begin) != begin)
    return Place::unknown;  // written otherwise
  return address - begin < description->size ? Place::inside : Place::unknown;
}

}  // namespace perch::elf
