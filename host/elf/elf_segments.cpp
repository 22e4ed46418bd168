#include "elf/elf_segments.hpp"

#include <cstring>
#include <set>

namespace perch::elf {
namespace {

constexpr std::uint64_t span_bytes_max = std::uint64_t{2} << 30;     // from the first address to the last
constexpr std::uint64_t load_align_max = std::uint64_t{64} << 20;    // huge pages are 2 MiB
constexpr std::uint64_t thread_bytes_max = std::uint64_t{16} << 20;  // of thread-local variables
constexpr std::uint64_t thread_align_max = 4096;

bool is_power_of_two(std::uint64_t number) { return number != 0 && (number & (number - 1)) == 0; }
std::uint64_t page_down(std::uint64_t address) { return address & ~(page_bytes - 1); }
std::uint64_t page_up(std::uint64_t address) { return page_down(address + page_bytes - 1); }

std::string numbered(std::size_t index) { return "program header " + std::to_string(index); }

/// One PT_LOAD by itself. Sizes first: later sums cannot overflow.
Result<void> check_load(const Elf64_Phdr& segment, const std::string& which) {
  if (segment.p_vaddr > span_bytes_max || segment.p_memsz > span_bytes_max) {
    return malformed(which + " asks for more than 2 GiB of addresses");
  }
  if (segment.p_memsz == 0 || segment.p_filesz > segment.p_memsz) {
    return malformed(which + " has fewer bytes in memory than in the file");
  }
  if (!is_power_of_two(segment.p_align) || segment.p_align < page_bytes || segment.p_align > load_align_max) {
    return malformed(which + " has the alignment " + std::to_string(segment.p_align) +
                     ", which is no power of two from 4096 to 64 MiB");
  }
  if (((segment.p_vaddr - segment.p_offset) & (segment.p_align - 1)) != 0) {
    return malformed(which + " lies at an address that does not go with its place in the file");
  }
  const std::uint32_t flags = segment.p_flags;
  if ((flags & ~std::uint32_t{PF_R | PF_W | PF_X}) != 0) return malformed(which + " has unknown flags");
  if ((flags & PF_R) == 0) return malformed(which + " would not be readable");
  if ((flags & PF_W) != 0 && (flags & PF_X) != 0) {
    return malformed(which + " would be both writable and executable");
  }
  if (segment.p_memsz > segment.p_filesz && (flags & PF_W) == 0) {
    return malformed(which + " has zeroed memory that nobody can write");
  }
  return {};
}

/// Whether the loader may read the segment's bytes where it says they are.
Result<void> check_placed(const ElfImage& image, const Elf64_Phdr& segment, const std::string& what) {
  if (segment.p_filesz != segment.p_memsz ||
      !image.is_at(segment.p_vaddr, segment.p_memsz, segment.p_offset)) {
    return malformed("its " + what + " is not where its segments put that part of the file");
  }
  return {};
}

Result<void> check_thread_variables(const ElfImage& image, const Elf64_Phdr& segment) {
  if (segment.p_filesz > segment.p_memsz || segment.p_memsz > thread_bytes_max) {
    return malformed("its thread-local variables have impossible sizes");
  }
  if (!is_power_of_two(segment.p_align) || segment.p_align > thread_align_max ||
      segment.p_vaddr % segment.p_align != 0) {
    return malformed("its thread-local variables have an impossible alignment");
  }
  if (segment.p_filesz > 0 && !image.is_at(segment.p_vaddr, segment.p_filesz, segment.p_offset)) {
    return malformed("its thread-local variables are not where its segments put that part of the file");
  }
  return {};
}

/// What is made read-only after relocation must be whole pages of data that nobody writes later.
Result<void> check_relro(const ElfImage& image, const Elf64_Phdr& segment) {
  const Elf64_Phdr* const load = image.segment_of(segment.p_vaddr, 1);
  if (segment.p_memsz > span_bytes_max || load == nullptr || (load->p_flags & PF_W) == 0) {
    return malformed("what is to become read-only (PT_GNU_RELRO) is no writable segment's");
  }
  if (page_up(segment.p_vaddr + segment.p_memsz) > page_up(load->p_vaddr + load->p_memsz) ||
      segment.p_vaddr - load->p_vaddr != segment.p_offset - load->p_offset ||
      (segment.p_filesz > segment.p_memsz) ||
      page_up(segment.p_vaddr + segment.p_filesz) < page_down(segment.p_vaddr + segment.p_memsz)) {
    return malformed("what is to become read-only (PT_GNU_RELRO) reaches beyond its segment");
  }
  return {};
}

/// The loader reads them in memory, with less care: none may reach beyond its segment.
Result<void> check_notes(const ElfImage& image, const Elf64_Phdr& segment) {
  if (segment.p_align != 4 && segment.p_align != 8 && segment.p_align > 1) {
    return malformed("a segment of notes has an alignment that is neither 4 nor 8");
  }
  if (auto placed = check_placed(image, segment, "segment of notes"); !placed) return placed;
  const auto area = image.bytes(segment.p_vaddr, segment.p_memsz);
  if (!area) return malformed("its notes cannot be read");
  const std::uint64_t align = segment.p_align == 8 ? 8 : 4;
  const auto up = [align](std::uint64_t at) { return (at + align - 1) / align * align; };
  for (std::uint64_t at = 0; at < area->size();) {
    Elf64_Nhdr note;
    if (area->size() - at < sizeof note) return malformed("a segment of notes ends within a note");
    std::memcpy(&note, area->data() + at, sizeof note);
    const std::uint64_t text = up(at + sizeof note + note.n_namesz);
    if (text + note.n_descsz > area->size()) return malformed("a note reaches beyond its segment");
    at = up(text + note.n_descsz);
  }
  return {};
}

Result<void> check_unwinding(const ElfImage& image, const Elf64_Phdr& segment) {
  if (auto placed = check_placed(image, segment, "table for unwinding"); !placed) return placed;
  const auto version = image.one<std::uint8_t>(segment.p_vaddr);
  if (!version || *version != 1) return malformed("its table for unwinding has no known version");
  return {};
}

Result<void> check_one(const ElfImage& image, const Elf64_Phdr& segment, const std::string& which) {
  switch (segment.p_type) {
    case PT_NULL:
    case PT_LOAD:
      return {};
    case PT_DYNAMIC:
      return check_placed(image, segment, "dynamic section");
    case PT_NOTE:
    case PT_GNU_PROPERTY:
      return check_notes(image, segment);
    case PT_TLS:
      return check_thread_variables(image, segment);
    case PT_GNU_RELRO:
      return check_relro(image, segment);
    case PT_GNU_EH_FRAME:
      return check_unwinding(image, segment);
    case PT_GNU_STACK:
      if ((segment.p_flags & PF_X) == 0) return {};
      return malformed("it asks for executable stacks (an object in it has no .note.GNU-stack section)");
    case PT_PHDR:
      if (segment.p_offset == image.file().header().e_phoff &&
          segment.p_filesz == image.file().segments().size() * sizeof(Elf64_Phdr)) {
        return check_placed(image, segment, "table of program headers");
      }
      return malformed("its PT_PHDR names another place than its header");
    case PT_INTERP:
      return malformed("it names a program interpreter (PT_INTERP), as programs do");
    default:
      return malformed(which + " has the unknown type " + hex_address(segment.p_type));
  }
}

}  // namespace

Result<void> check_load_segments(const ElfFile& file) {
  std::uint64_t end = 0;
  std::size_t count = 0;
  bool has_code = false;
  for (std::size_t index = 0; index < file.segments().size(); ++index) {
    const Elf64_Phdr& segment = file.segments()[index];
    if (segment.p_type != PT_LOAD) continue;
    const std::string which = "segment " + std::to_string(index);
    if (auto checked = check_load(segment, which); !checked) return checked;
    if (count > 0 && page_down(segment.p_vaddr) < end) {
      return malformed(which + " lies in the pages of another, or before it");
    }
    end = page_up(segment.p_vaddr + segment.p_memsz);
    if (end > span_bytes_max) return malformed(which + " ends beyond 2 GiB");
    has_code = has_code || (segment.p_flags & PF_X) != 0;
    ++count;
  }
  if (count == 0) return malformed("it has no segment to load");
  if (!has_code) return malformed("none of its segments would be executable");
  return {};
}

Result<void> check_other_segments(const ElfImage& image) {
  std::set<std::uint32_t> seen;
  const auto& segments = image.file().segments();
  for (std::size_t index = 0; index < segments.size(); ++index) {
    const Elf64_Phdr& segment = segments[index];
    if (auto checked = check_one(image, segment, numbered(index)); !checked) return checked;
    const bool may_repeat =
        segment.p_type == PT_NULL || segment.p_type == PT_LOAD || segment.p_type == PT_NOTE;
    if (!seen.insert(segment.p_type).second && !may_repeat) {
      return malformed("it has two program headers of type " + hex_address(segment.p_type));
    }
  }
  if (!seen.contains(PT_DYNAMIC)) return malformed("it has no dynamic section");
  if (!seen.contains(PT_GNU_STACK)) {
    return malformed("it does not say that it needs no executable stack (PT_GNU_STACK)");
  }
  return {};
}

}  // namespace perch::elf
