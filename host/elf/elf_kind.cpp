#include "elf/elf_kind.hpp"

#include <elf.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>

namespace perch::elf {
namespace {

/// Whether the start of a file reads like text: no control characters but white space.
bool looks_like_text(std::string_view start) {
  return std::all_of(start.begin(), start.end(), [](char character) {
    const auto c = static_cast<unsigned char>(character);
    return c >= 0x20 ? c != 0x7f : (c >= '\t' && c <= '\r');
  });
}

std::string machine_name(std::uint16_t machine) {
  switch (machine) {
    case EM_X86_64:
      return "x86-64";
    case EM_386:
      return "i386";
    case EM_ARM:
      return "ARM";
    case EM_AARCH64:
      return "AArch64";
    case EM_RISCV:
      return "RISC-V";
    case EM_PPC:
    case EM_PPC64:
      return "PowerPC";
    case EM_S390:
      return "S/390";
    case EM_MIPS:
      return "MIPS";
    case EM_SPARC:
    case EM_SPARCV9:
      return "SPARC";
    case EM_LOONGARCH:
      return "LoongArch";
    case EM_BPF:
      return "BPF";
    default:
      return "machine " + std::to_string(machine);
  }
}

std::string type_name(std::uint16_t type) {
  switch (type) {
    case ET_REL:
      return "an object file";
    case ET_EXEC:
      return "an executable";
    case ET_DYN:
      return "a shared library";
    case ET_CORE:
      return "a core file";
    default:
      return "an ELF file of the unknown type " + std::to_string(type);
  }
}

std::string elf_kind(std::string_view start) {
  if (start.size() < sizeof(Elf64_Ehdr)) return "a truncated ELF file: it ends within its header";
  Elf64_Ehdr header;
  std::memcpy(&header, start.data(), sizeof header);
  const unsigned char bits = header.e_ident[EI_CLASS];
  const unsigned char order = header.e_ident[EI_DATA];
  if ((bits != ELFCLASS32 && bits != ELFCLASS64) || (order != ELFDATA2LSB && order != ELFDATA2MSB)) {
    return "a damaged ELF file: its header names no word size or no byte order";
  }
  // Type and machine lie at the same place in files of either word size.
  if (order == ELFDATA2MSB) {
    header.e_type = __builtin_bswap16(header.e_type);
    header.e_machine = __builtin_bswap16(header.e_machine);
  }
  const std::string kind = type_name(header.e_type) + " for " + machine_name(header.e_machine);
  if (bits != ELFCLASS64 || order != ELFDATA2LSB || header.e_machine != EM_X86_64) {
    return kind + (bits == ELFCLASS32 ? ", 32 bits" : ", 64 bits") +
           (order == ELFDATA2MSB ? ", big-endian" : "") + "; this host runs on x86-64";
  }
  if (header.e_type == ET_REL) return kind + ", not yet linked (link it with -shared)";
  return header.e_type == ET_DYN ? "" : kind;
}

/// "a directory", "a FIFO" …; "" for a regular file.
std::string what_mode_says(mode_t mode) {
  if (S_ISREG(mode)) return "";
  if (S_ISDIR(mode)) return "a directory";
  if (S_ISFIFO(mode)) return "a FIFO";
  if (S_ISSOCK(mode)) return "a socket";
  if (S_ISCHR(mode) || S_ISBLK(mode)) return "a device";
  return "no regular file";
}

}  // namespace

std::string what_else_it_is(std::string_view start) {
  const auto starts_with = [&](std::string_view mark) { return start.substr(0, mark.size()) == mark; };
  if (start.empty()) return "an empty file";
  if (starts_with(std::string_view(ELFMAG, SELFMAG))) return elf_kind(start);
  if (starts_with("!<arch>\n") || starts_with("!<thin>\n")) return "a static library (ar archive)";
  if (starts_with("#!")) return "a script";
  if (starts_with(std::string_view("\x1f\x8b", 2))) return "a gzip archive";
  if (starts_with(std::string_view("PK\x03\x04", 4))) return "a zip archive";
  if (starts_with("BC\xc0\xde")) return "LLVM bitcode, not yet compiled";
  if (starts_with("MZ")) return "a Windows program or library";
  if (looks_like_text(start)) return "a text file";
  return "no ELF file, so no shared library";
}

Result<RegularFile> open_regular(const std::filesystem::path& path, int flags) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | flags));
  if (!fd && errno == ELOOP && (flags & O_NOFOLLOW) != 0) {
    return fail(ErrorKind::refused, path.string() + " is a symbolic link; give the file itself");
  }
  if (!fd) {
    auto error = fail_errno("open " + path.string());
    if (errno == ENOENT) error.value().kind = ErrorKind::not_found;
    return error;
  }
  return regular_file(std::move(fd), path);
}

Result<RegularFile> regular_file(UniqueFd fd, const std::filesystem::path& path) {
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) return fail_errno(path.string());
  if (const std::string other = what_mode_says(status.st_mode); !other.empty()) {
    return fail(ErrorKind::refused, path.string() + ": no Perch manifest: this is " + other);
  }
  return RegularFile{std::move(fd), static_cast<std::uint64_t>(status.st_size)};
}

}  // namespace perch::elf
