#include "tables/insertion_ring.hpp"

#include <algorithm>
#include <utility>

namespace perch::tables {

void InsertionRing::push(const QueueEntry& added) {
  if (tail_ - head_ == capacity_) grow();
  std::uint64_t* to = entry(tail_++);
  *to = added.sequence;
  std::copy_n(added.key, stride_ - 1, to + 1);
}

void InsertionRing::pop() noexcept {
  if (head_ == swept_) {
    head_ = swept_ = ++unswept_;  // nothing live before the gap: there is none any more
  } else {
    ++head_;
  }
}

void InsertionRing::grow() {
  const std::uint64_t capacity = std::max<std::uint64_t>(64, 2 * capacity_);
  std::vector<std::uint64_t> entries(capacity * stride_);
  for (std::uint64_t position = head_; position != tail_; ++position) {
    std::copy_n(entry(position), stride_, entries.data() + (position & (capacity - 1)) * stride_);
  }
  entries_ = std::move(entries);
  capacity_ = capacity;
}

}  // namespace perch::tables
