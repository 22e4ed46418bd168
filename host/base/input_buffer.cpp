#include "base/input_buffer.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/assert.hpp"

namespace perch {

InputBuffer::InputBuffer(std::size_t bytes_max, std::size_t block_bytes)
    : bytes_max_(bytes_max), block_bytes_(block_bytes) {
  grow(std::min(bytes_min, bytes_max_ + block_bytes_));
}

std::span<char> InputBuffer::space() {
  // Twice what waits is wanted, so that a long row is moved a few times, not at every read.
  const bool is_small = was_full_ || capacity_ < 2 * waiting().size();
  if (is_small && capacity_ < bytes_max_ + block_bytes_) {
    grow(std::min(2 * capacity_, bytes_max_ + block_bytes_));
  } else {
    move_to_front();
  }
  offered_ = std::min(capacity_ - end_, block_bytes_);
  PERCH_ASSERT(offered_ > 0, "space() was asked for with more waiting than may wait");
  return {bytes_.get() + end_, offered_};
}

void InputBuffer::added(std::size_t bytes) {
  PERCH_ASSERT(bytes <= offered_, "more bytes than space");
  was_full_ = bytes == offered_ && bytes < block_bytes_;
  end_ += bytes;
}

void InputBuffer::append(std::string_view bytes) {
  if (bytes.size() > capacity_ - end_) {
    const std::size_t wanted = waiting().size() + bytes.size();
    if (wanted > capacity_) {
      grow(std::max(2 * capacity_, wanted));
    } else {
      move_to_front();
    }
  }
  std::memcpy(bytes_.get() + end_, bytes.data(), bytes.size());
  end_ += bytes.size();
}

void InputBuffer::move_to_front() noexcept {
  if (begin_ == 0) return;
  std::memmove(bytes_.get(), bytes_.get() + begin_, end_ - begin_);
  end_ -= begin_;
  begin_ = 0;
}

void InputBuffer::take(std::size_t bytes) noexcept {
  begin_ += bytes;
  if (begin_ == end_) begin_ = end_ = 0;
}

void InputBuffer::grow(std::size_t capacity) {
  // Not initialised: what is not used costs no memory. The padding is read, and means nothing.
  std::unique_ptr<char[]> bytes(new char[capacity + padding_bytes]);
  std::memset(bytes.get() + capacity, 0, padding_bytes);
  if (end_ > begin_) std::memcpy(bytes.get(), bytes_.get() + begin_, end_ - begin_);
  end_ -= begin_;
  begin_ = 0;
  bytes_ = std::move(bytes);
  capacity_ = capacity;
}

}  // namespace perch
