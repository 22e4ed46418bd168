#include "base/line_splitter.hpp"

#include <algorithm>
#include <cstring>

namespace perch {

// Two bytes more, so that a line of just the longest length is one with its newline after it.
LineSplitter::LineSplitter(std::size_t line_bytes_max, std::size_t block_bytes, TooLong too_long)
    : line_bytes_max_(line_bytes_max), too_long_(too_long), buffer_(line_bytes_max + 2, block_bytes) {}

/// True: one is at scanned_. False: all that waits is scanned.
bool LineSplitter::find_newline() {
  const std::string_view waiting = buffer_.waiting();
  const void* newline = std::memchr(waiting.data() + scanned_, '\n', waiting.size() - scanned_);
  scanned_ = newline == nullptr
                 ? waiting.size()
                 : static_cast<std::size_t>(static_cast<const char*>(newline) - waiting.data());
  return newline != nullptr;
}

bool LineSplitter::has_line() {
  return skip_reported() && (find_newline() || (too_long_ == TooLong::at_once && is_too_long()));
}

bool LineSplitter::next(Line& line) {
  if (!skip_reported()) return false;
  if (find_newline()) {
    take(scanned_, line);
    buffer_.take(1);
    line.end = ++position_;
    return true;
  }
  if (!is_too_long()) return false;
  begin_skipping();
  if (too_long_ == TooLong::at_its_end) return false;
  reported_ = true;
  line = {prefix_, position_ - skipped_, position_, skipped_, true};
  return true;
}

bool LineSplitter::has_unfinished_line() const noexcept {
  return !reported_ && (skipping_ || !buffer_.waiting().empty());
}

bool LineSplitter::finish(Line& line) {
  const bool is_unfinished = has_unfinished_line();
  take(buffer_.waiting().size(), line);
  position_ = 0;
  return is_unfinished;
}

/// Drops what is left of a line that was reported before its end. False: more of it is to come.
bool LineSplitter::skip_reported() {
  if (!reported_) return true;
  const bool is_over = find_newline();
  Line rest;
  if (is_over) {
    take(scanned_, rest);
    buffer_.take(1);
    ++position_;
  } else {
    begin_skipping();
  }
  return is_over;
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
  skipping_ = reported_ = false;
  skipped_ = 0;
}

}  // namespace perch
