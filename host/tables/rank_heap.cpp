#include "tables/rank_heap.hpp"

namespace perch::tables {

void RankHeap::push(const QueueEntry& added) {
  entries_.push_back(added.rank);
  entries_.push_back(added.sequence);
  entries_.insert(entries_.end(), added.key, added.key + (stride_ - 2));
  sift_up(size() - 1);
}

void RankHeap::sift_up(std::uint64_t index) noexcept {
  while (index > 0) {
    const std::uint64_t parent = (index - 1) / 2;
    if (!before(index, parent)) return;
    swap_entries(index, parent);
    index = parent;
  }
}

void RankHeap::sift_down(std::uint64_t index) noexcept {
  while (2 * index + 1 < size()) {
    std::uint64_t child = 2 * index + 1;
    if (child + 1 < size() && before(child + 1, child)) ++child;
    if (!before(child, index)) return;
    swap_entries(index, child);
    index = child;
  }
}

void RankHeap::remove(std::uint64_t index) noexcept {
  const std::uint64_t last = size() - 1;
  if (index != last) swap_entries(index, last);
  entries_.resize(entries_.size() - stride_);
  if (index == last) return;
  sift_down(index);
  sift_up(index);
}

}  // namespace perch::tables
