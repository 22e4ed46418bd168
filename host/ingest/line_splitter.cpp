#include "ingest/line_splitter.hpp"

#include <algorithm>
#include <cstring>

#include "base/assert.hpp"

namespace perch::ingest {

LineSplitter::LineSplitter(std::size_t line_bytes_max, std::size_t block_bytes)
    : line_bytes_max_(line_bytes_max),
      block_bytes_(block_bytes),
      // Three blocks: the unfinished line is moved to the front once in several reads, not at each.
      buffer_(line_bytes_max + 3 * block_bytes + padding_bytes) {
  prefix_.reserve(prefix_bytes_max);
}

std::span<char> LineSplitter::space() {
  const std::size_t usable = buffer_.size() - padding_bytes;
  if (begin_ == end_) {
    begin_ = scanned_ = end_ = 0;
  } else if (usable - end_ < block_bytes_) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    scanned_ -= begin_;
    begin_ = 0;
  }
  PERCH_ASSERT(usable - end_ >= block_bytes_, "space() was asked for with whole lines left");
  return {buffer_.data() + end_, block_bytes_};
}

void LineSplitter::added(std::size_t bytes) {
  PERCH_ASSERT(bytes <= buffer_.size() - padding_bytes - end_, "more bytes than space");
  end_ += bytes;
}

bool LineSplitter::next(Line& line) {
  const char* newline =
      static_cast<const char*>(std::memchr(buffer_.data() + scanned_, '\n', end_ - scanned_));
  if (newline == nullptr) {
    scanned_ = end_;
    if (skipping_ || end_ - begin_ > line_bytes_max_) begin_skipping();
    return false;
  }
  take(static_cast<std::size_t>(newline - buffer_.data()) - begin_, line);
  ++begin_;
  ++position_;
  line.end = position_;
  scanned_ = begin_;
  return true;
}

bool LineSplitter::finish(Line& line) {
  const bool unfinished = begin_ < end_ || skipping_;
  if (unfinished) take(end_ - begin_, line);
  begin_ = scanned_ = end_ = 0;
  position_ = 0;
  return unfinished;
}

/// Drops what the buffer holds of the unfinished line.
void LineSplitter::begin_skipping() {
  if (!skipping_) prefix_.assign(buffer_.data() + begin_, std::min(end_ - begin_, prefix_bytes_max));
  skipping_ = true;
  skipped_ += end_ - begin_;
  position_ += end_ - begin_;
  begin_ = end_;
}

/// Makes the next `length` bytes of the buffer, and what was skipped before them, the line.
void LineSplitter::take(std::size_t length, Line& line) {
  line.bytes = skipped_ + length;
  line.too_long = line.bytes > line_bytes_max_;
  line.begin = position_ - skipped_;
  const std::string_view text(buffer_.data() + begin_, length);
  line.text = skipping_ ? std::string_view(prefix_) : line.too_long ? text.substr(0, prefix_bytes_max) : text;
  begin_ += length;
  position_ += length;
  line.end = position_;
  skipping_ = false;
  skipped_ = 0;
}

}  // namespace perch::ingest
