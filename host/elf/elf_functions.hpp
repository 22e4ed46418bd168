// Where functions begin, from the table for unwinding (.eh_frame_hdr): every compiler writes it, strip leaves
// it, and it does not depend on relocations.
#pragma once

#include <cstdint>
#include <vector>

#include "elf/elf_image.hpp"

namespace perch::elf {

class ElfFunctions {
 public:
  enum class Place { start, inside, unknown };

  ElfFunctions() = default;  // knows nothing
  /// Knows nothing of a file without that table, or with one in another format than all linkers write.
  explicit ElfFunctions(const ElfImage& image);

  /// Where in a function the address is; `unknown` when the table has none there. `image`: the one that this
  /// was read from.
  Place place_of(const ElfImage& image, std::uint64_t address) const;

 private:
  struct Entry {
    std::int32_t function, description;  // from the table's beginning
  };

  std::uint64_t table_ = 0;
  std::vector<Entry> entries_;
};

}  // namespace perch::elf
