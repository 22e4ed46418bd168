// Allocator: blocks of the arena for nodes and version records. All bookkeeping lies in the writer's own
// memory.
//
// The arena is cut into slabs; a slab holds blocks of one size. Freed blocks are reused last-in first-out,
// while they are still in cache, from a stack of each size; what is over goes back to its slab. A slab whose
// last block is freed goes back to the pool and may serve another size, so tables of different row sizes
// cannot starve each other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/assert.hpp"
#include "tree/arena.hpp"
#include "tree/format.hpp"

// Freed blocks are poisoned in builds with AddressSanitizer: who reads one is found.
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, size) (static_cast<void>(address), static_cast<void>(size))
#define ASAN_UNPOISON_MEMORY_REGION(address, size) (static_cast<void>(address), static_cast<void>(size))
#endif

namespace perch::tree {

inline constexpr std::uint32_t slab_units = 4096;
inline constexpr std::uint64_t slab_bytes = std::uint64_t{slab_units} * unit_bytes;  // 256 KiB

/// For the writer thread alone.
class Allocator {
 public:
  explicit Allocator(Arena& arena);
  ~Allocator();
  Allocator(const Allocator&) = delete;
  Allocator& operator=(const Allocator&) = delete;

  /// A block of `units` (1 to slab_units); 0 when there is no memory.
  Ref allocate(std::uint32_t units) {
    SizeClass& list = size_class(units);
    if (list.recent_count == 0) return allocate_from_slab(units);
    return taken(list, list.recent[--list.recent_count], units);
  }
  void release(Ref ref, std::uint32_t units) {
    PERCH_ASSERT(slabs_[ref / slab_units].units == units, "a block of another size, or freed twice");
    poison(ref, units);
    SizeClass& list = size_class(units);
    if (list.recent_count == list.recent_size) make_room_for_recent(list);
    list.recent[list.recent_count++] = ref;
    ++list.free_count;
    allocated_units_ -= units;
  }

  /// Whether `blocks` more blocks of each listed size can be had. Exact up to slabs that could be emptied.
  struct Need {
    std::uint32_t units;
    std::uint32_t blocks;
  };
  bool can_allocate(const std::vector<Need>& needs);
  /// The same without taking any trouble over it: may say no too early.
  bool can_allocate_as_it_is(const std::vector<Need>& needs);

  std::uint64_t allocated_bytes() const noexcept { return allocated_units_ * unit_bytes; }
  std::uint64_t free_bytes() const noexcept;  ///< of slabs in use, and of empty slabs that were used before

  /// For the verifier: calls visit(ref, units) for every allocated block.
  template <class Visit>
  void for_each_allocated(Visit visit) const {
    std::vector<char> is_free(slabs_.size() * slab_units);  // by the block's first unit; bits are slower
    std::vector<bool> is_class_done(classes_.size());
    for (std::size_t index = 0; index < slabs_.size(); ++index) {
      const Slab& slab = slabs_[index];
      if (slab.units == 0) continue;
      for (std::uint32_t i = 0; i < slab.free_count; ++i)
        is_free[index * slab_units + slab.free_blocks[i] * slab.units] = 1;
      const SizeClass& list = classes_[slab.units];
      for (std::uint32_t i = 0; i < list.recent_count && !is_class_done[slab.units]; ++i)
        is_free[list.recent[i]] = 1;
      is_class_done[slab.units] = true;
    }
    for (std::size_t index = 0; index < slabs_.size(); ++index) {
      const Slab& slab = slabs_[index];
      for (std::uint32_t block = 0; block < slab.capacity && slab.units > 0; ++block) {
        const auto ref = static_cast<Ref>(index * slab_units + block * slab.units);
        if (is_free[ref] == 0) visit(ref, slab.units);
      }
    }
  }

 private:
  static constexpr std::uint32_t none = UINT32_MAX;

  struct Slab {
    std::uint32_t units = 0;  // of its blocks; 0: in the pool
    std::uint32_t capacity = 0;
    std::uint32_t free_count = 0;
    std::uint32_t previous = none, next = none;    // in its size's list of slabs with free blocks
    std::unique_ptr<std::uint16_t[]> free_blocks;  // a stack of block numbers
    std::uint32_t free_blocks_size = 0;
  };
  struct SizeClass {
    std::unique_ptr<Ref[]> recent;  // freed last, the latest at the end
    std::uint32_t recent_count = 0;
    std::uint32_t recent_size = 0;
    std::uint32_t first = none;    // slabs with free blocks, the last freed into first
    std::uint64_t free_count = 0;  // in slabs and in `recent`
  };

  SizeClass& size_class(std::uint32_t units) { return classes_[units]; }
  Ref taken(SizeClass& list, Ref ref, std::uint32_t units) {
    --list.free_count;
    allocated_units_ += units;
    unpoison(ref, units);
    return ref;
  }
  void poison(Ref ref, std::uint32_t units) noexcept {
    ASAN_POISON_MEMORY_REGION(arena_.writable() + std::uint64_t{ref} * unit_bytes,
                              std::uint64_t{units} * unit_bytes);
  }
  void unpoison(Ref ref, std::uint32_t units) noexcept {
    ASAN_UNPOISON_MEMORY_REGION(arena_.writable() + std::uint64_t{ref} * unit_bytes,
                                std::uint64_t{units} * unit_bytes);
  }
  void make_room_for_recent(SizeClass& list);
  Ref allocate_from_slab(std::uint32_t units);
  void return_to_slabs(SizeClass& list, std::uint32_t blocks);
  void return_to_slab(SizeClass& list, Ref ref);
  void return_all_to_slabs();
  void link(SizeClass& list, std::uint32_t index);
  void unlink(SizeClass& list, std::uint32_t index);
  bool add_slab(std::uint32_t units);
  std::uint64_t slabs_available();

  Arena& arena_;
  std::vector<Slab> slabs_;          // slab i begins at unit i * slab_units; slab 0 is the control page's
  std::vector<std::uint32_t> pool_;  // used before, empty now
  std::vector<SizeClass> classes_;   // by units
  std::vector<std::uint32_t> sizes_in_use_;  // those of which any block was ever freed
  std::uint64_t allocated_units_ = 0;
  std::uint64_t slabs_in_use_ = 0;
};

}  // namespace perch::tree
