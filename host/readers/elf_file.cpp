#include "readers/elf_file.hpp"

#include <elf.h>
#include <gelf.h>
#include <libelf.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>

namespace perch::readers {
namespace {

constexpr std::uint64_t note_area_bytes_max = std::uint64_t{1} << 20;  // a section or segment of notes
constexpr std::uint64_t symbols_max = 1'000'000;

/// Whether the start of a file reads like text: no control characters but white space.
bool looks_like_text(const unsigned char* bytes, std::size_t size) {
  return std::all_of(bytes, bytes + size,
                     [](unsigned char c) { return c >= 0x20 ? c != 0x7f : (c >= '\t' && c <= '\r'); });
}

bool fits(std::uint64_t offset, std::uint64_t size, std::uint64_t file_size) {
  return offset <= file_size && size <= file_size - offset;
}

std::uint64_t round_up(std::uint64_t value, std::uint64_t align) {
  return (value + align - 1) / align * align;
}

/// Walks one area of notes. Stops at the first that does not fit in it.
std::optional<std::string> note_in(const std::string& area, std::uint64_t align, std::string_view owner,
                                   std::uint32_t type) {
  std::uint64_t at = 0;
  while (fits(at, sizeof(Elf64_Nhdr), area.size())) {
    Elf64_Nhdr header;
    std::memcpy(&header, area.data() + at, sizeof header);
    at += sizeof header;
    const std::uint64_t name_at = at;
    if (!fits(name_at, header.n_namesz, area.size())) return std::nullopt;
    const std::uint64_t text_at = round_up(name_at + header.n_namesz, align);
    if (!fits(text_at, header.n_descsz, area.size())) return std::nullopt;
    std::string_view name(area.data() + name_at, header.n_namesz);
    if (!name.empty() && name.back() == '\0') name.remove_suffix(1);
    if (name == owner && header.n_type == type) return area.substr(text_at, header.n_descsz);
    at = round_up(text_at + header.n_descsz, align);
  }
  return std::nullopt;
}

}  // namespace

void ElfFile::CloseElf::operator()(Elf* elf) const noexcept { elf_end(elf); }

Result<ElfFile> ElfFile::open(int fd, const std::filesystem::path& name) {
  ElfFile file;
  file.fd_ = fd;
  file.name_ = name.string();
  struct stat status {};
  if (fstat(fd, &status) != 0) return fail_errno(file.name_);
  file.file_size_ = static_cast<std::uint64_t>(status.st_size);
  if (auto checked = file.check_header(); !checked) return fail(checked.error());
  if (elf_version(EV_CURRENT) == EV_NONE) return fail("libelf is too old");
  file.elf_.reset(elf_begin(fd, ELF_C_READ, nullptr));
  if (!file.elf_ || elf_kind(file.elf_.get()) != ELF_K_ELF) {
    return fail(ErrorKind::refused, file.name_ + " is a truncated or damaged ELF file");
  }
  if (auto checked = file.check_extents(); !checked) return fail(checked.error());
  return file;
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

Result<void> ElfFile::check_header() const {
  const auto refuse = [this](const std::string& what) {
    return fail(ErrorKind::refused, name_ + " " + what);
  };
  unsigned char start[sizeof(Elf64_Ehdr)] = {};
  const std::size_t size = std::min<std::uint64_t>(file_size_, sizeof start);
  if (size == 0) return refuse("is empty");
  if (!read(0, start, size)) return fail_errno("read " + name_);
  if (size < SELFMAG || std::memcmp(start, ELFMAG, SELFMAG) != 0) {
    return refuse(looks_like_text(start, size) ? "is a text file, not a shared library"
                                               : "is not an ELF file, so no shared library");
  }
  if (size < sizeof start) return refuse("is a truncated ELF file: it ends within its header");
  Elf64_Ehdr header;
  std::memcpy(&header, start, sizeof header);
  if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB ||
      header.e_machine != EM_X86_64) {
    return refuse("is an ELF file for another machine; this host runs x86-64");
  }
  if (header.e_type != ET_DYN) {
    return refuse("is an ELF file, but no shared library (link it with -shared)");
  }
  if (!fits(header.e_phoff, std::uint64_t{header.e_phnum} * header.e_phentsize, file_size_) ||
      !fits(header.e_shoff, std::uint64_t{header.e_shnum} * header.e_shentsize, file_size_)) {
    return refuse("is a truncated ELF file: its tables lie beyond its end");
  }
  if (header.e_phentsize != sizeof(Elf64_Phdr) || header.e_phnum == 0 || header.e_phnum == PN_XNUM) {
    return refuse("is a damaged ELF file: it has no program headers");
  }
  return {};
}

Result<void> ElfFile::check_extents() const {
  std::size_t count = 0;
  if (elf_getphdrnum(elf_.get(), &count) != 0) {
    return fail(ErrorKind::refused, name_ + " is a damaged ELF file: " + elf_errmsg(-1));
  }
  for (std::size_t index = 0; index < count; ++index) {
    GElf_Phdr segment;
    if (gelf_getphdr(elf_.get(), static_cast<int>(index), &segment) == nullptr) {
      return fail(ErrorKind::refused, name_ + " is a damaged ELF file: " + elf_errmsg(-1));
    }
    // The loader maps PT_LOAD without looking at the file's size: a short file would end the host with
    // SIGBUS.
    if (segment.p_type != PT_NULL && segment.p_type != PT_GNU_STACK &&
        !fits(segment.p_offset, segment.p_filesz, file_size_)) {
      return fail(ErrorKind::refused, name_ + " is a truncated ELF file: a segment lies beyond its end");
    }
  }
  return {};
}

std::vector<ElfFile::Extent> ElfFile::note_sections(const char* section) const {
  std::vector<Extent> found;
  std::size_t names = 0;
  if (elf_getshdrstrndx(elf_.get(), &names) != 0) return found;
  for (Elf_Scn* at = elf_nextscn(elf_.get(), nullptr); at != nullptr; at = elf_nextscn(elf_.get(), at)) {
    GElf_Shdr header;
    if (gelf_getshdr(at, &header) == nullptr || header.sh_type != SHT_NOTE) continue;
    const char* name = elf_strptr(elf_.get(), names, header.sh_name);
    if (name != nullptr && std::strcmp(name, section) == 0) {
      found.push_back({header.sh_offset, header.sh_size, header.sh_addralign});
    }
  }
  return found;
}

std::vector<ElfFile::Extent> ElfFile::note_segments() const {
  std::vector<Extent> found;
  std::size_t count = 0;
  if (elf_getphdrnum(elf_.get(), &count) != 0) return found;
  for (std::size_t index = 0; index < count; ++index) {
    GElf_Phdr segment;
    if (gelf_getphdr(elf_.get(), static_cast<int>(index), &segment) != nullptr && segment.p_type == PT_NOTE) {
      found.push_back({segment.p_offset, segment.p_filesz, segment.p_align});
    }
  }
  return found;
}

Result<std::string> ElfFile::find_note(const char* section, const char* owner, std::uint32_t type,
                                       std::size_t bytes_max) const {
  std::vector<Extent> areas = note_sections(section);
  const std::vector<Extent> segments = note_segments();
  areas.insert(areas.end(), segments.begin(), segments.end());
  for (const Extent& area : areas) {
    if (!fits(area.offset, area.size, file_size_)) {
      return fail(ErrorKind::refused, name_ + " is a truncated ELF file: its notes lie beyond its end");
    }
    if (area.size > note_area_bytes_max) continue;
    std::string bytes(area.size, '\0');
    if (!read(area.offset, bytes.data(), bytes.size()))
      return fail(ErrorKind::refused, name_ + " cannot be read");
    // gABI: notes are padded to 4 bytes, or to 8 where the area says so.
    if (auto note = note_in(bytes, area.align == 8 ? 8 : 4, owner, type)) {
      if (note->size() > bytes_max) {
        return fail(ErrorKind::refused, name_ + ": its manifest has " + std::to_string(note->size()) +
                                            " bytes, more than " + std::to_string(bytes_max));
      }
      return std::move(*note);
    }
  }
  return fail(
      ErrorKind::refused,
      name_ +
          " is a shared library without a Perch manifest: no reader plugin (build it with perch_add_plugin)");
}

std::string ElfFile::why_never_unmapped() const {
  for (Elf_Scn* at = elf_nextscn(elf_.get(), nullptr); at != nullptr; at = elf_nextscn(elf_.get(), at)) {
    GElf_Shdr header;
    if (gelf_getshdr(at, &header) == nullptr || header.sh_entsize == 0) continue;
    if (header.sh_type != SHT_DYNAMIC && header.sh_type != SHT_DYNSYM) continue;
    Elf_Data* data = elf_getdata(at, nullptr);
    if (data == nullptr) continue;
    const std::uint64_t count = std::min(header.sh_size / header.sh_entsize, symbols_max);
    for (int index = 0; index < static_cast<int>(count); ++index) {
      GElf_Dyn entry;
      GElf_Sym symbol;
      if (header.sh_type == SHT_DYNAMIC) {
        if (gelf_getdyn(data, index, &entry) != nullptr && entry.d_tag == DT_FLAGS_1 &&
            (entry.d_un.d_val & DF_1_NODELETE) != 0) {
          return "it is linked with -z nodelete";
        }
      } else if (gelf_getsym(data, index, &symbol) != nullptr &&
                 GELF_ST_BIND(symbol.st_info) == STB_GNU_UNIQUE) {
        const char* name = elf_strptr(elf_.get(), header.sh_link, symbol.st_name);
        return std::string("it defines the unique symbol ") + (name != nullptr ? name : "?") +
               " (compile everything in it with -fno-gnu-unique)";
      }
    }
  }
  return {};
}

}  // namespace perch::readers
