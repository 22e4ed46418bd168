// ElfLibrary: a shared library taken apart, from its file alone, as far as the loader would follow it.
//
// glibc's loader trusts what it loads: one wrong bit in a header, a hash table or a relocation can end the
// process inside dlopen. So nothing is given to it that has not been read here first. What the linker wrote
// twice, in section headers and program headers, is compared.
#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"
#include "elf/elf_dynamic.hpp"
#include "elf/elf_functions.hpp"
#include "elf/elf_image.hpp"
#include "elf/elf_relocations.hpp"
#include "elf/elf_symbols.hpp"

namespace perch::elf {

/// Not thread safe. Refers to the file that it was read from.
class ElfLibrary {
 public:
  /// The error says what the loader would stumble over. `file` must outlive the result.
  static Result<ElfLibrary> read(const ElfFile& file);

  const ElfFile& file() const noexcept { return image_.file(); }
  const ElfImage& image() const noexcept { return image_; }
  const ElfDynamic& dynamic() const noexcept { return dynamic_; }
  const std::vector<Elf64_Sym>& symbols() const noexcept { return symbols_; }
  const std::vector<ElfRelocation>& relocations() const noexcept { return relocations_; }

  ElfFunctions::Place place_in_function(std::uint64_t address) const {
    return functions_.place_of(image_, address);
  }
  std::string name_of(const Elf64_Sym& symbol) const { return dynamic_.strings().c_str() + symbol.st_name; }
  /// Names of what others can link to, in the symbol table's order.
  std::vector<std::string> exported() const;
  /// Names of what others must offer; weak ones left out.
  std::vector<std::string> undefined() const;
  /// Why the loader would never unmap this library, in words; "" when nothing in the file says so.
  std::string why_never_unmapped() const;

 private:
  explicit ElfLibrary(const ElfFile& file) : image_(file) {}
  Result<void> read_all();

  ElfImage image_;
  ElfDynamic dynamic_;
  std::vector<Elf64_Sym> symbols_;
  ElfFunctions functions_;
  std::vector<ElfRelocation> relocations_;
};

}  // namespace perch::elf
