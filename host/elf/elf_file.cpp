#include "elf/elf_file.hpp"

#include <elf.h>
#include <libelf.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "elf/elf_kind.hpp"

namespace perch::elf {
namespace {

constexpr std::uint64_t note_area_bytes_max = std::uint64_t{1} << 20;  // a section or segment of notes
constexpr std::size_t sections_max = 0xff00;                           // SHN_LORESERVE
constexpr std::size_t section_name_bytes_max = 64;                     // the rest of a longer one is not read

bool fits(std::uint64_t offset, std::uint64_t size, std::uint64_t file_size) {
  return offset <= file_size && size <= file_size - offset;
}

std::uint64_t round_up(std::uint64_t value, std::uint64_t align) {
  return (value + align - 1) / align * align;
}

struct Note {
  std::string_view owner, text;
  std::uint32_t type;
  std::uint64_t at;  // of the text, in its area
};

/// The notes of one area, up to the first that does not fit in it.
std::vector<Note> notes_in(std::string_view area, std::uint64_t align) {
  std::vector<Note> notes;
  std::uint64_t at = 0;
  while (fits(at, sizeof(Elf64_Nhdr), area.size())) {
    Elf64_Nhdr header;
    std::memcpy(&header, area.data() + at, sizeof header);
    at += sizeof header;
    if (!fits(at, header.n_namesz, area.size())) break;
    std::string_view owner = area.substr(at, header.n_namesz);
    if (!owner.empty() && owner.back() == '\0') owner.remove_suffix(1);
    at = round_up(at + header.n_namesz, align);
    if (!fits(at, header.n_descsz, area.size())) break;
    notes.push_back({owner, area.substr(at, header.n_descsz), header.n_type, at});
    at = round_up(at + header.n_descsz, align);
  }
  return notes;
}

struct CloseElf {
  void operator()(Elf* elf) const noexcept { elf_end(elf); }
};

}  // namespace

tl::unexpected<Error> ElfFile::refuse(const std::string& what) const {
  return fail(ErrorKind::refused, name_ + ": no Perch manifest: this is " + what);
}

Result<ElfFile> ElfFile::open(int fd, const std::filesystem::path& name) {
  ElfFile file;
  file.fd_ = fd;
  file.name_ = name.string();
  struct stat status {};
  if (fstat(fd, &status) != 0) return fail_errno(file.name_);
  file.size_ = static_cast<std::uint64_t>(status.st_size);
  if (auto checked = file.check_header(); !checked) return fail(checked.error());
  if (auto checked = file.read_headers(); !checked) return fail(checked.error());
  return file;
}

const Elf64_Phdr* ElfFile::segment_of_type(std::uint32_t type) const noexcept {
  const auto found = std::find_if(segments_.begin(), segments_.end(),
                                  [type](const Elf64_Phdr& segment) { return segment.p_type == type; });
  return found == segments_.end() ? nullptr : &*found;
}

bool ElfFile::read(std::uint64_t offset, void* out, std::size_t size) const {
  auto* bytes = static_cast<char*>(out);
  while (size > 0) {
    const ssize_t got = pread(fd_, bytes, size, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    bytes += got;
    offset += static_cast<std::uint64_t>(got);
    size -= static_cast<std::size_t>(got);
  }
  return true;
}

Result<void> ElfFile::check_header() {
  char start[512];
  const std::size_t size = std::min<std::uint64_t>(size_, sizeof start);
  if (!read(0, start, size)) return fail_errno("read " + name_);
  if (const std::string other = what_else_it_is({start, size}); !other.empty()) return refuse(other);
  std::memcpy(&header_, start, sizeof header_);
  if (header_.e_phentsize != sizeof(Elf64_Phdr) || header_.e_phnum == 0 || header_.e_phnum == PN_XNUM) {
    return refuse("a damaged ELF file: it has no program headers");
  }
  if (header_.e_shnum != 0 && header_.e_shentsize != sizeof(Elf64_Shdr)) {
    return refuse("a damaged ELF file: its section headers have the wrong size");
  }
  if (!fits(header_.e_phoff, header_.e_phnum * sizeof(Elf64_Phdr), size_) ||
      !fits(header_.e_shoff, header_.e_shnum * sizeof(Elf64_Shdr), size_)) {
    return refuse("a truncated ELF file: its headers lie beyond its end");
  }
  return {};
}

Result<void> ElfFile::read_headers() {
  if (elf_version(EV_CURRENT) == EV_NONE) return fail("libelf is too old");
  const std::unique_ptr<Elf, CloseElf> elf(elf_begin(fd_, ELF_C_READ, nullptr));
  if (!elf || elf_kind(elf.get()) != ELF_K_ELF) return refuse("a truncated or damaged ELF file");
  for (int index = 0; index < header_.e_phnum; ++index) {
    GElf_Phdr segment;
    if (gelf_getphdr(elf.get(), index, &segment) == nullptr) {
      return refuse(std::string("a damaged ELF file: ") + elf_errmsg(-1));
    }
    // The loader maps PT_LOAD without looking at the file's size: a short file would end the host with
    // SIGBUS.
    if (segment.p_type != PT_NULL && segment.p_type != PT_GNU_STACK &&
        !fits(segment.p_offset, segment.p_filesz, size_)) {
      return refuse("a truncated ELF file: a segment lies beyond its end");
    }
    segments_.push_back(segment);
  }
  if (header_.e_shnum == 0) return {};
  if (header_.e_shnum >= sections_max) return refuse("a damaged ELF file: it has too many sections");
  // Names are looked up in bytes of our own: the table may be larger than what one wants to hold.
  for (std::size_t index = 1; index < header_.e_shnum; ++index) {
    GElf_Shdr section;
    Elf_Scn* const at = elf_getscn(elf.get(), index);
    if (at == nullptr || gelf_getshdr(at, &section) == nullptr) {
      return refuse(std::string("a damaged ELF file: ") + elf_errmsg(-1));
    }
    sections_.push_back({"", section});
  }
  if (header_.e_shstrndx == 0 || header_.e_shstrndx >= header_.e_shnum) return {};
  const Elf64_Shdr names = sections_[header_.e_shstrndx - 1u].header;
  if (names.sh_type != SHT_STRTAB || !fits(names.sh_offset, names.sh_size, size_)) return {};
  for (ElfSection& section : sections_) {
    if (section.header.sh_name >= names.sh_size) continue;
    char name[section_name_bytes_max] = {};
    const std::uint64_t left = names.sh_size - section.header.sh_name;
    const std::size_t size = std::min<std::uint64_t>(left, sizeof name - 1);
    if (read(names.sh_offset + section.header.sh_name, name, size)) section.name = name;
  }
  return {};
}

bool ElfFile::is_executable() const {
  bool interpreter = false;
  for (const Elf64_Phdr& segment : segments_) {
    interpreter = interpreter || segment.p_type == PT_INTERP;
    if (segment.p_type != PT_DYNAMIC) continue;
    for (std::uint64_t at = 0; at + sizeof(Elf64_Dyn) <= std::min<std::uint64_t>(segment.p_filesz, 65536);
         at += sizeof(Elf64_Dyn)) {
      Elf64_Dyn entry;
      if (!read(segment.p_offset + at, &entry, sizeof entry) || entry.d_tag == DT_NULL) break;
      if (entry.d_tag == DT_FLAGS_1 && (entry.d_un.d_val & DF_1_PIE) != 0) return true;
      if (entry.d_tag == DT_SONAME) return false;  // libc.so.6 can be started, and is a library
    }
  }
  return interpreter;
}

std::vector<ElfFile::NoteArea> ElfFile::note_areas(const char* section) const {
  std::vector<NoteArea> areas;
  for (const ElfSection& each : sections_) {
    if (each.header.sh_type == SHT_NOTE && each.name == section) {
      areas.push_back({each.header.sh_offset, each.header.sh_size, each.header.sh_addralign,
                       std::string("section ") + section});
    }
  }
  for (const Elf64_Phdr& segment : segments_) {
    if (segment.p_type == PT_NOTE) {
      areas.push_back({segment.p_offset, segment.p_filesz, segment.p_align, "a PT_NOTE segment"});
    }
  }
  return areas;
}

Result<ElfNote> ElfFile::find_note(const char* section, const char* owner, std::uint32_t type,
                                   std::size_t bytes_max) const {
  ElfNote found;
  for (const NoteArea& area : note_areas(section)) {
    if (!fits(area.offset, area.size, size_)) {
      return refuse("a truncated ELF file: its notes lie beyond its end");
    }
    if (area.size > note_area_bytes_max) continue;
    std::string bytes(area.size, '\0');
    if (!read(area.offset, bytes.data(), bytes.size())) return fail_errno("read " + name_);
    // gABI: notes are padded to 4 bytes, or to 8 where the area says so.
    for (const Note& note : notes_in(bytes, area.align == 8 ? 8 : 4)) {
      if (note.owner != owner || note.type != type) continue;
      if (note.text.size() > bytes_max) {
        return fail(ErrorKind::refused, name_ + ": its manifest has " + std::to_string(note.text.size()) +
                                            " bytes, more than " + std::to_string(bytes_max));
      }
      const std::uint64_t offset = area.offset + note.at;
      if (!found.found_in.empty() && (found.offset != offset || found.text.size() != note.text.size())) {
        return fail(ErrorKind::refused,
                    name_ + ": it has two Perch manifests; link one reader plugin into a library");
      }
      if (found.found_in.empty()) {
        found = {std::string(note.text), offset, area.place};
      } else if (found.found_in.find(area.place) == std::string::npos) {
        found.found_in += " and " + area.place;
      }
    }
  }
  if (!found.found_in.empty()) return found;
  if (is_executable()) return refuse("an executable for x86-64, not a shared library");
  return refuse("a shared library, but no reader plugin (build it with perch_add_plugin)");
}

std::string ElfFile::build_id() const {
  std::string hex;
  for (const NoteArea& area : note_areas(".note.gnu.build-id")) {
    if (!fits(area.offset, area.size, size_) || area.size > note_area_bytes_max) continue;
    std::string bytes(area.size, '\0');
    if (!read(area.offset, bytes.data(), bytes.size())) continue;
    for (const Note& note : notes_in(bytes, area.align == 8 ? 8 : 4)) {
      if (note.owner != ELF_NOTE_GNU || note.type != NT_GNU_BUILD_ID || note.text.size() > 64) continue;
      constexpr const char* digits = "0123456789abcdef";
      hex.clear();
      for (const char c : note.text) {
        hex += digits[static_cast<unsigned char>(c) >> 4];
        hex += digits[static_cast<unsigned char>(c) & 15];
      }
      return hex;
    }
  }
  return hex;
}

}  // namespace perch::elf
