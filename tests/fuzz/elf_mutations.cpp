#include "fuzz/elf_mutations.hpp"

#include <elf.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <random>
#include <set>

namespace perch::fuzz {
namespace {

template <class T>
T read_at(const std::string& file, std::uint64_t offset) {
  T value;
  std::memcpy(&value, file.data() + offset, sizeof value);
  return value;
}

template <class T>
std::string bytes_of(T value) {
  return std::string(reinterpret_cast<const char*>(&value), sizeof value);
}

Elf64_Ehdr header_of(const std::string& file) { return read_at<Elf64_Ehdr>(file, 0); }

std::vector<Elf64_Phdr> segments_of(const std::string& file) {
  std::vector<Elf64_Phdr> segments;
  for (unsigned i = 0; i < header_of(file).e_phnum; ++i) {
    segments.push_back(read_at<Elf64_Phdr>(file, header_of(file).e_phoff + i * sizeof(Elf64_Phdr)));
  }
  return segments;
}

std::vector<Elf64_Shdr> sections_of(const std::string& file) {
  std::vector<Elf64_Shdr> sections;
  for (unsigned i = 0; i < header_of(file).e_shnum; ++i) {
    sections.push_back(read_at<Elf64_Shdr>(file, header_of(file).e_shoff + i * sizeof(Elf64_Shdr)));
  }
  return sections;
}

const char* region_name(std::uint32_t section_type) {
  switch (section_type) {
    case SHT_DYNAMIC:
      return "dynamic section";
    case SHT_NOTE:
      return "notes";
    case SHT_RELA:
      return "relocations";
    case SHT_DYNSYM:
      return "symbols";
    case SHT_HASH:
    case SHT_GNU_HASH:
      return "hash tables";
    case SHT_GNU_versym:
    case SHT_GNU_verneed:
    case SHT_GNU_verdef:
      return "versions";
    default:
      return nullptr;
  }
}

constexpr std::uint64_t hostile[] = {0,
                                     1,
                                     0x7fffffff,
                                     0x80000000,
                                     0xfffffffc,
                                     0xffffffff,
                                     0x7fffffffffffffff,
                                     0xffffffffffffffff,
                                     0x1000,
                                     0xfffffffffffffff8};

}  // namespace

std::string apply(std::string file, const Mutation& mutation) {
  if (mutation.cut) {
    file.resize(mutation.offset);
  } else {
    file.replace(mutation.offset, mutation.bytes.size(), mutation.bytes);
  }
  return file;
}

std::vector<Region> regions_of(const std::string& file) {
  const Elf64_Ehdr header = header_of(file);
  std::vector<Region> regions{{"ELF header", 0, sizeof header},
                              {"program headers", header.e_phoff, header.e_phnum * sizeof(Elf64_Phdr)},
                              {"section headers", header.e_shoff, header.e_shnum * sizeof(Elf64_Shdr)}};
  for (const Elf64_Shdr& section : sections_of(file)) {
    const char* const name = region_name(section.sh_type);
    if (name != nullptr) regions.push_back({name, section.sh_offset, section.sh_size});
  }
  return regions;
}

std::vector<Mutation> truncations(const std::string& file) {
  std::set<std::uint64_t> sizes;
  const auto add = [&](std::uint64_t boundary) {
    for (const std::uint64_t size : {boundary - 1, boundary, boundary + 1}) {
      if (size < file.size()) sizes.insert(size);
    }
  };
  const Elf64_Ehdr header = header_of(file);
  for (const std::uint64_t size : {std::uint64_t{0}, std::uint64_t{4}, std::uint64_t{EI_NIDENT}}) add(size);
  add(sizeof header);
  add(header.e_phoff + header.e_phnum * sizeof(Elf64_Phdr));
  add(header.e_shoff);
  add(file.size());
  for (const Elf64_Phdr& segment : segments_of(file)) {
    add(segment.p_offset);
    add(segment.p_offset + segment.p_filesz);
  }
  for (const Elf64_Shdr& section : sections_of(file)) {
    add(section.sh_offset);
    if (section.sh_type != SHT_NOBITS) add(section.sh_offset + section.sh_size);
  }
  std::vector<Mutation> mutations;
  for (const std::uint64_t size : sizes) mutations.push_back({"truncated", size, "", true});
  return mutations;
}

std::vector<Mutation> other_identities(const std::string& file) {
  std::vector<Mutation> mutations;
  const auto add = [&](std::uint64_t offset, const std::string& bytes) {
    if (file.compare(offset, bytes.size(), bytes) != 0)
      mutations.push_back({"other identity", offset, bytes, false});
  };
  for (int value = 0; value < 5; ++value) {
    add(EI_CLASS, std::string(1, static_cast<char>(value)));
    add(EI_DATA, std::string(1, static_cast<char>(value)));
  }
  for (const int value : {0, 2, 255}) add(EI_VERSION, std::string(1, static_cast<char>(value)));
  for (const int value : {1, 2, 9, 64, 255}) add(EI_OSABI, std::string(1, static_cast<char>(value)));
  for (std::uint16_t type = 0; type < 8; ++type) add(offsetof(Elf64_Ehdr, e_type), bytes_of(type));
  for (const std::uint16_t type : {0xfe00, 0xff00, 0xffff}) add(offsetof(Elf64_Ehdr, e_type), bytes_of(type));
  for (std::uint16_t machine = 0; machine < 260; ++machine) {
    if (machine != EM_X86_64 && machine % 7 != 0 && machine != EM_386 && machine != EM_AARCH64) continue;
    add(offsetof(Elf64_Ehdr, e_machine), bytes_of(machine));
  }
  for (const std::size_t field : {offsetof(Elf64_Ehdr, e_phnum), offsetof(Elf64_Ehdr, e_shnum),
                                  offsetof(Elf64_Ehdr, e_shstrndx), offsetof(Elf64_Ehdr, e_phentsize),
                                  offsetof(Elf64_Ehdr, e_shentsize), offsetof(Elf64_Ehdr, e_ehsize)}) {
    for (const std::uint16_t number : {0, 1, 0x7fff, 0xff00, 0xffff}) add(field, bytes_of(number));
  }
  for (const std::size_t field : {offsetof(Elf64_Ehdr, e_phoff), offsetof(Elf64_Ehdr, e_shoff)}) {
    for (const std::uint64_t number : hostile) add(field, bytes_of(number));
  }
  return mutations;
}

std::vector<Mutation> hostile_notes(const std::string& file) {
  std::vector<Mutation> mutations;
  for (const Region& region : regions_of(file)) {
    if (region.name != "notes") continue;
    for (std::uint64_t at = region.offset; at + sizeof(Elf64_Nhdr) <= region.offset + region.size;) {
      const auto note = read_at<Elf64_Nhdr>(file, at);
      for (const std::size_t field : {offsetof(Elf64_Nhdr, n_namesz), offsetof(Elf64_Nhdr, n_descsz)}) {
        for (const std::uint64_t number : hostile) {
          mutations.push_back(
              {"hostile note", at + field, bytes_of(static_cast<std::uint32_t>(number)), false});
        }
        for (const std::uint32_t difference : {1u, 4u, 8u, 0xffffffffu, 0xfffffffcu}) {
          const auto number =
              static_cast<std::uint32_t>(read_at<std::uint32_t>(file, at + field) + difference);
          mutations.push_back({"hostile note", at + field, bytes_of(number), false});
        }
      }
      at += sizeof note + (note.n_namesz + 3) / 4 * 4 + (note.n_descsz + 3) / 4 * 4;
    }
  }
  return mutations;
}

std::vector<Mutation> flipped_bits(const std::string& file, std::size_t count, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<Mutation> mutations;
  for (const Region& region : regions_of(file)) {
    const std::uint64_t bits = region.size * 8;
    for (std::size_t i = 0; i < std::min<std::uint64_t>(count, bits); ++i) {
      const std::uint64_t bit = count >= bits ? i : random() % bits;
      const std::uint64_t offset = region.offset + bit / 8;
      const char flipped = static_cast<char>(file[offset] ^ (1 << (bit % 8)));
      mutations.push_back({region.name + ": a bit", offset, std::string(1, flipped), false});
    }
  }
  return mutations;
}

std::vector<Mutation> hostile_numbers(const std::string& file, std::size_t count, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<Mutation> mutations;
  for (const Region& region : regions_of(file)) {
    for (std::size_t i = 0; i < count && region.size >= 8; ++i) {
      const std::uint64_t number = hostile[random() % std::size(hostile)];
      const bool wide = random() % 2 == 0;
      const std::uint64_t offset =
          region.offset + random() % (region.size / 8) * 8 + (wide ? 0 : random() % 2 * 4);
      mutations.push_back({region.name + ": a number", offset,
                           wide ? bytes_of(number) : bytes_of(static_cast<std::uint32_t>(number)), false});
    }
  }
  return mutations;
}

std::vector<Mutation> without_exchanged_targets(const std::string& file, std::vector<Mutation> mutations) {
  const auto regions = regions_of(file);
  std::erase_if(mutations, [&](const Mutation& mutation) {
    return std::any_of(regions.begin(), regions.end(), [&](const Region& region) {
      if (mutation.offset < region.offset || mutation.offset >= region.offset + region.size) return false;
      const std::uint64_t at = mutation.offset - region.offset;
      const std::uint64_t end = at + mutation.bytes.size() - 1;
      const auto touches = [&](std::uint64_t entry, std::uint64_t from, std::uint64_t to) {
        return at % entry < to && at % entry + (end - at) >= from;
      };
      if (region.name == "symbols") return touches(sizeof(Elf64_Sym), 0, offsetof(Elf64_Sym, st_info));
      constexpr std::uint64_t symbol = offsetof(Elf64_Rela, r_info) + 4;
      constexpr std::uint64_t addend = offsetof(Elf64_Rela, r_addend);
      const bool is_bit = mutation.bytes.size() == 1;
      return region.name == "relocations" && (touches(sizeof(Elf64_Rela), symbol, symbol + 4) ||
                                              (is_bit && touches(sizeof(Elf64_Rela), addend, addend + 8)));
    });
  });
  return mutations;
}

}  // namespace perch::fuzz
