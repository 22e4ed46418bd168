// LineSplitter: from chunks of bytes as they arrive to whole lines, with a bound on a line's length.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace perch::control {

/// Not thread safe. Holds at most one line's bound and the chunks fed since the last call of `next`.
class LineSplitter {
 public:
  struct Line {
    std::string text;       ///< without its '\n'; empty when too long
    bool too_long = false;  ///< the line went over the bound; its bytes are skipped up to its '\n'
  };

  explicit LineSplitter(std::size_t line_bytes_max) : line_bytes_max_(line_bytes_max) {}

  void feed(std::string_view bytes);
  /// No more bytes will come: what is left is the last line, even without a '\n'.
  void finish() { finished_ = true; }

  bool has_line();
  std::optional<Line> next();

 private:
  const std::size_t line_bytes_max_;
  std::string buffer_;
  std::size_t begin_ = 0;    // of the line being looked at
  std::size_t scanned_ = 0;  // no '\n' in [begin_, scanned_)
  bool skipping_ = false;    // within a line that was reported as too long
  bool finished_ = false;
};

}  // namespace perch::control
