#include "rows/line_splitter.hpp"

#include <algorithm>
#include <cstring>

namespace perch::rows {

// Two bytes more, so that a line of just the longest length is one with its newline behind it.
LineSplitter::LineSplitter(std::size_t line_bytes_max, std::size_t block_bytes)
    : line_bytes_max_(line_bytes_max), buffer_(line_bytes_max + 2, block_bytes) {}

bool LineSplitter::next(Line& line) {
  const std::string_view waiting = buffer_.waiting();
  const void* newline = std::memchr(waiting.data() + scanned_, '\n', waiting.size() - scanned_);
  if (newline == nullptr) {
    scanned_ = waiting.size();
    if (skipping_ || waiting.size() > line_bytes_max_) begin_skipping();
    return false;
  }
  take(static_cast<std::size_t>(static_cast<const char*>(newline) - waiting.data()), line);
  buffer_.take(1);
  line.end = ++position_;
  return true;
}

bool LineSplitter::finish(Line& line) {
  const bool unfinished = !buffer_.waiting().empty() || skipping_;
  if (unfinished) take(buffer_.waiting().size(), line);
  position_ = 0;
  return unfinished;
}

/// Drops what the buffer holds of the unfinished line.
void LineSplitter::begin_skipping() {
  const std::string_view waiting = buffer_.waiting();
  if (!skipping_) prefix_.assign(waiting.substr(0, prefix_bytes_max));
  skipping_ = true;
  skipped_ += waiting.size();
  position_ += waiting.size();
  buffer_.take(waiting.size());
  scanned_ = 0;
}

/// Makes the next `length` bytes of the buffer, and what was skipped before them, the line.
void LineSplitter::take(std::size_t length, Line& line) {
  line.bytes = skipped_ + length;
  line.too_long = line.bytes > line_bytes_max_;
  line.begin = position_ - skipped_;
  const std::string_view text = buffer_.waiting().substr(0, length);
  line.text = skipping_ ? std::string_view(prefix_) : line.too_long ? text.substr(0, prefix_bytes_max) : text;
  buffer_.take(length);
  scanned_ = 0;
  position_ += length;
  line.end = position_;
  skipping_ = false;
  skipped_ = 0;
}

}  // namespace perch::rows
