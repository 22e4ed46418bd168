// The dynamic section: what the loader follows, without a look at whether it leads anywhere.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "elf/elf_image.hpp"

namespace perch::elf {

/// A table that the loader reads: where it begins and how many bytes it has.
struct ElfRange {
  std::uint64_t address = 0, size = 0;
};

class ElfDynamic {
 public:
  /// Checks every entry: known, there once, its address in the right segment, the sizes that go with it.
  static Result<ElfDynamic> read(const ElfImage& image);

  std::optional<std::uint64_t> value(std::int64_t tag) const;
  /// A table by its two tags; nothing when it is not there.
  std::optional<ElfRange> range(std::int64_t address_tag, std::int64_t size_tag) const;
  /// DT_NEEDED, in order.
  const std::vector<std::string>& needed() const noexcept { return needed_; }
  /// DT_STRTAB. Ends with a NUL: each offset within is a C string.
  const std::string& strings() const noexcept { return strings_; }
  /// The string there; nothing when that is outside the table.
  std::optional<std::string> string(std::uint64_t offset) const;

 private:
  Result<void> take(const ElfImage& image, const Elf64_Dyn& entry);
  Result<void> check_tables(const ElfImage& image) const;
  Result<void> read_strings(const ElfImage& image);

  std::map<std::int64_t, std::uint64_t> values_;
  std::vector<std::uint64_t> needed_offsets_;
  std::vector<std::string> needed_;
  std::string strings_;
};

}  // namespace perch::elf
