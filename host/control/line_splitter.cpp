#include "control/line_splitter.hpp"

#include <algorithm>

namespace perch::control {

void LineSplitter::feed(std::string_view bytes) {
  if (begin_ > 0) {
    buffer_.erase(0, begin_);
    scanned_ -= begin_;
    begin_ = 0;
  }
  buffer_.append(bytes);
}

bool LineSplitter::has_line() {
  if (skipping_) {
    const std::size_t end = buffer_.find('\n', begin_);
    if (end == std::string::npos) {
      begin_ = scanned_ = buffer_.size();
      return false;
    }
    begin_ = scanned_ = end + 1;
    skipping_ = false;
  }
  const std::size_t end = buffer_.find('\n', scanned_);
  scanned_ = end == std::string::npos ? buffer_.size() : end;
  return end != std::string::npos || scanned_ - begin_ > line_bytes_max_ ||
         (finished_ && begin_ < buffer_.size());
}

std::optional<LineSplitter::Line> LineSplitter::next() {
  if (!has_line()) return std::nullopt;
  const std::size_t length = scanned_ - begin_;
  const bool ended = scanned_ < buffer_.size();
  Line line;
  if (length > line_bytes_max_) {
    line.too_long = true;
    skipping_ = !ended;
  } else {
    line.text.assign(buffer_, begin_, length);
  }
  begin_ = scanned_ = std::min(buffer_.size(), scanned_ + 1);
  return line;
}

}  // namespace perch::control
