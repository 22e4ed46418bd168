#include "tree/allocator.hpp"

#include <algorithm>

#include "base/assert.hpp"

namespace perch::tree {

Allocator::Allocator(Arena& arena) : arena_(arena), classes_(slab_units + 1) {
  static_assert(sizeof(ControlPage) <= slab_bytes);
  slabs_.resize(1);
}

// Address ranges are reused by whoever maps memory next: leave no poison behind.
Allocator::~Allocator() { ASAN_UNPOISON_MEMORY_REGION(arena_.writable(), slabs_.size() * slab_bytes); }

void Allocator::link(SizeClass& list, std::uint32_t index) {
  Slab& slab = slabs_[index];
  slab.previous = none;
  slab.next = list.first;
  if (list.first != none) slabs_[list.first].previous = index;
  list.first = index;
}

void Allocator::unlink(SizeClass& list, std::uint32_t index) {
  const Slab& slab = slabs_[index];
  if (slab.previous != none) slabs_[slab.previous].next = slab.next;
  if (slab.next != none) slabs_[slab.next].previous = slab.previous;
  if (list.first == index) list.first = slab.next;
}

bool Allocator::add_slab(std::uint32_t units) {
  std::uint32_t index;
  if (!pool_.empty()) {
    index = pool_.back();
    pool_.pop_back();
  } else {
    index = static_cast<std::uint32_t>(slabs_.size());
    if (!arena_.need((std::uint64_t{index} + 1) * slab_bytes)) return false;
    slabs_.emplace_back();
  }
  Slab& slab = slabs_[index];
  slab.units = units;
  slab.capacity = slab.free_count = slab_units / units;
  if (slab.free_blocks_size < slab.capacity) {
    slab.free_blocks = std::make_unique<std::uint16_t[]>(slab.capacity);
    slab.free_blocks_size = slab.capacity;
  }
  for (std::uint32_t i = 0; i < slab.capacity; ++i) {
    slab.free_blocks[i] = static_cast<std::uint16_t>(slab.capacity - 1 - i);  // low addresses first
  }
  ASAN_POISON_MEMORY_REGION(arena_.writable() + std::uint64_t{index} * slab_bytes, slab_bytes);
  SizeClass& list = size_class(units);
  list.free_count += slab.capacity;
  ++slabs_in_use_;
  link(list, index);
  return true;
}

Ref Allocator::allocate_from_slab(std::uint32_t units) {
  PERCH_ASSERT(units > 0 && units <= slab_units, "a block is at most a slab");
  SizeClass& list = size_class(units);
  if (list.first == none && !add_slab(units)) return 0;
  const std::uint32_t index = list.first;
  Slab& slab = slabs_[index];
  const std::uint32_t block = slab.free_blocks[--slab.free_count];
  if (slab.free_count == 0) unlink(list, index);
  return taken(list, index * slab_units + block * units, units);
}

/// Called when the stack of freed blocks is full.
void Allocator::make_room_for_recent(SizeClass& list) {
  constexpr std::uint32_t recent_max = 2048;  // about as much as a core's cache still holds
  if (list.recent_size == 0) {
    sizes_in_use_.push_back(static_cast<std::uint32_t>(&list - classes_.data()));
    list.recent = std::make_unique<Ref[]>(recent_max);
    list.recent_size = recent_max;
  } else {
    return_to_slabs(list, recent_max / 2);
  }
}

/// Those that were freed longest ago.
void Allocator::return_to_slabs(SizeClass& list, std::uint32_t blocks) {
  for (std::uint32_t i = 0; i < blocks; ++i) return_to_slab(list, list.recent[i]);
  list.recent_count -= blocks;
  std::copy_n(list.recent.get() + blocks, list.recent_count, list.recent.get());
}

void Allocator::return_all_to_slabs() {
  for (const std::uint32_t units : sizes_in_use_)
    return_to_slabs(classes_[units], classes_[units].recent_count);
}

void Allocator::return_to_slab(SizeClass& list, Ref ref) {
  const std::uint32_t index = ref / slab_units;
  Slab& slab = slabs_[index];
  PERCH_ASSERT(slab.free_count < slab.capacity, "a block freed twice");
  slab.free_blocks[slab.free_count++] = static_cast<std::uint16_t>(ref % slab_units / slab.units);
  if (slab.free_count == slab.capacity && list.free_count > slab.capacity) {
    // Empty, and not the size's only free memory: any size may have it.
    if (slab.free_count > 1) unlink(list, index);
    list.free_count -= slab.capacity;
    slab.units = 0;
    --slabs_in_use_;
    pool_.push_back(index);
  } else if (slab.free_count == 1) {
    link(list, index);
  }
}

std::uint64_t Allocator::slabs_available() {
  const std::uint64_t never_used = arena_.bytes() / slab_bytes - slabs_.size();
  return pool_.size() + never_used;
}

bool Allocator::can_allocate(const std::vector<Need>& needs) {
  if (can_allocate_as_it_is(needs)) return true;
  return_all_to_slabs();  // this may empty some
  return can_allocate_as_it_is(needs);
}

bool Allocator::can_allocate_as_it_is(const std::vector<Need>& needs) {
  std::uint64_t slabs = 0;
  for (const Need& need : needs) {
    const std::uint64_t free_blocks = classes_[need.units].free_count;
    if (need.blocks > free_blocks) {
      const std::uint64_t per_slab = slab_units / need.units;
      slabs += (need.blocks - free_blocks + per_slab - 1) / per_slab;
    }
  }
  if (slabs <= pool_.size()) return true;
  if (slabs > slabs_available()) return false;
  return arena_.need((slabs_.size() + slabs - pool_.size()) * slab_bytes);
}

std::uint64_t Allocator::free_bytes() const noexcept {
  return (slabs_in_use_ + pool_.size()) * slab_bytes - allocated_bytes();
}

}  // namespace perch::tree
