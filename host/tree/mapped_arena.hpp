// MappedArena: the host's tree as another process sees it: the arena read-only, the process's own slot page.
// Part of the tree's read side.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/result.hpp"
#include "tree/slot_page.hpp"

namespace perch::tree {

/// Both mappings, until it ends. A child made by fork(2) does not get them: it has no pins of its own, and
/// would read memory that is reused. Any thread may read what it returns.
class MappedArena {
 public:
  /// Of the descriptors that the host gave; they may be closed afterwards. Errors: not what a host of this
  /// format gives.
  static Result<MappedArena> map(int arena, int slot_page);
  MappedArena(MappedArena&& other) noexcept;
  MappedArena& operator=(MappedArena&&) = delete;
  ~MappedArena();

  const std::byte* base() const noexcept { return base_; }
  std::uint64_t bytes() const noexcept { return bytes_; }
  SlotPage* slot_page() const noexcept { return slot_page_; }

 private:
  MappedArena(const std::byte* base, std::uint64_t bytes, SlotPage* slot_page) noexcept
      : base_(base), bytes_(bytes), slot_page_(slot_page) {}

  const std::byte* base_;
  std::uint64_t bytes_;
  SlotPage* slot_page_;
};

}  // namespace perch::tree
