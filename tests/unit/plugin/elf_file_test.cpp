// A plugin file may be anything: every way to damage one ends in a message.
#include "elf/elf_file.hpp"

#include <doctest/doctest.h>
#include <elf.h>
#include <fcntl.h>
#include <sys/mman.h>

#include <fstream>
#include <random>
#include <sstream>

#include "base/unique_fd.hpp"
#include "elf/elf_library.hpp"
#include "plugin/manifest.hpp"
#include "plugin/mapped_library.hpp"
#include "unit/test_files.hpp"

namespace perch::plugin::test {
using namespace perch::test;
namespace elf_file_test {

std::string bytes_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream bytes;
  bytes << file.rdbuf();
  REQUIRE(bytes.str().size() > sizeof(Elf64_Ehdr));
  return bytes.str();
}

/// A file in memory with these bytes.
UniqueFd file_of(const std::string& bytes) {
  UniqueFd fd(memfd_create("elf", MFD_CLOEXEC));
  REQUIRE(fd);
  REQUIRE(::write(fd.get(), bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
  return fd;
}

Result<Manifest> read(const std::string& bytes) { return read_manifest(file_of(bytes).get(), "test.so"); }

std::string message(const std::string& bytes) {
  const auto manifest = read(bytes);
  return manifest ? "" : manifest.error().message;
}

bool has(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }

Elf64_Ehdr& header(std::string& bytes) { return *reinterpret_cast<Elf64_Ehdr*>(bytes.data()); }
Elf64_Phdr& segment(std::string& bytes, int index) {
  return *reinterpret_cast<Elf64_Phdr*>(bytes.data() + header(bytes).e_phoff + index * sizeof(Elf64_Phdr));
}

TEST_CASE("a built plugin's manifest is read") {
  const auto manifest = read(bytes_of(faulty_plugin("summing")));
  REQUIRE(manifest);
  CHECK(manifest->id == "summing");
  CHECK(manifest->tables.size() == 1);
}

TEST_CASE("files that are no plugin are told apart") {
  const std::string good = bytes_of(faulty_plugin("summing"));
  CHECK(has(message(""), "an empty file"));
  CHECK(has(message("this is no library\n"), "text file"));
  CHECK(has(message(std::string("\x1f\x8b\x08\x00zip", 7)), "a gzip archive"));
  CHECK(has(message(std::string("\x7f\x01\x02", 3)), "no ELF file"));
  CHECK(has(message(good.substr(0, 20)), "truncated"));
  CHECK(has(message(good.substr(0, 200)), "truncated"));
  CHECK(has(message(good.substr(0, good.size() - 1)), "truncated"));
  CHECK(has(message(bytes_of(faulty_plugin("no_plugin"))), "no Perch manifest"));
  CHECK(has(message(bytes_of("/proc/self/exe")), "an executable for x86-64"));  // a PIE is ET_DYN as well

  std::string other_machine = good;
  header(other_machine).e_machine = EM_AARCH64;
  CHECK(has(message(other_machine), "for AArch64, 64 bits; this host runs on x86-64"));
  std::string small = good;
  header(small).e_ident[EI_CLASS] = ELFCLASS32;
  CHECK(has(message(small), "32 bits; this host runs on x86-64"));
  std::string object = good;
  header(object).e_type = ET_REL;
  CHECK(has(message(object), "an object file for x86-64, not yet linked (link it with -shared)"));
}

TEST_CASE("the manifest is found without section headers, and without the PT_NOTE segment") {
  std::string no_sections = bytes_of(faulty_plugin("summing"));
  header(no_sections).e_shoff = 0;
  header(no_sections).e_shnum = 0;
  header(no_sections).e_shstrndx = 0;
  CHECK(message(no_sections) == "");

  std::string no_segment = bytes_of(faulty_plugin("summing"));
  for (int i = 0; i < header(no_segment).e_phnum; ++i) {
    if (segment(no_segment, i).p_type == PT_NOTE) segment(no_segment, i).p_type = PT_NULL;
  }
  CHECK(message(no_segment) == "");
}

TEST_CASE("a plugin cut off anywhere is refused") {
  const std::string good = bytes_of(faulty_plugin("summing"));
  for (std::size_t size = 0; size < good.size(); size += size < 4096 ? 1 : 97) {
    const auto manifest = read(good.substr(0, size));
    CHECK_FALSE(manifest);
  }
}

TEST_CASE("headers with hostile numbers are refused or harmless") {
  const std::string good = bytes_of(faulty_plugin("summing"));
  const std::uint64_t hostile[] = {
      0, 1, 0x7fffffff, 0xffffffff, 0x7fffffffffffffff, 0xffffffffffffffff, good.size() - 1};
  std::string start = good;
  const std::size_t tables[][2] = {
      {0, sizeof(Elf64_Ehdr)},
      {header(start).e_phoff, header(start).e_phnum * sizeof(Elf64_Phdr)},
      {header(start).e_shoff, header(start).e_shnum * sizeof(Elf64_Shdr)},
  };
  std::size_t tried = 0;
  for (const auto& [offset, size] : tables) {
    for (std::size_t at = offset; at + 8 <= offset + size; at += 4) {
      for (const std::uint64_t number : hostile) {
        std::string changed = good;
        std::memcpy(changed.data() + at, &number, at % 8 == 0 ? 8 : 4);
        const auto fd = file_of(changed);
        const auto manifest = read_manifest(fd.get(), "test.so");
        if (manifest) CHECK(manifest->id == "summing");
        if (const auto file = elf::ElfFile::open(fd.get(), "test.so")) elf::ElfLibrary::read(*file);
        ++tried;
      }
    }
  }
  CHECK(tried > 1000);
}

TEST_CASE("random damage is refused or harmless") {
  const std::string good = bytes_of(faulty_plugin("summing"));
  std::mt19937 random(7);
  for (int round = 0; round < 3'000; ++round) {
    std::string changed = good;
    for (int i = 0; i < 8; ++i) {
      // Most of it where the structure is: headers at both ends.
      const std::size_t span = random() % 3 == 0 ? changed.size() : 1024;
      const std::size_t at = random() % span;
      changed[random() % 2 == 0 ? at : changed.size() - 1 - at] = static_cast<char>(random());
    }
    const auto fd = file_of(changed);
    const auto manifest = read_manifest(fd.get(), "test.so");
    if (manifest) CHECK(manifest->text.size() <= 65536);
    if (const auto file = elf::ElfFile::open(fd.get(), "test.so")) elf::ElfLibrary::read(*file);
  }
}

TEST_CASE("what keeps a library mapped is seen in the file") {
  CHECK(why_library_never_unmaps(faulty_plugin("never_unmapped")) == "it is linked with -z nodelete");
  CHECK(why_library_never_unmaps(faulty_plugin("summing")) == "");
}

}  // namespace elf_file_test
}  // namespace perch::plugin::test
