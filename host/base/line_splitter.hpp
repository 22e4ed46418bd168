// LineSplitter: bytes in, lines out, in a buffer that is bounded. A line that is too long is counted and
// skipped, not kept.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/input_buffer.hpp"

namespace perch {

struct Line {
  std::string_view text;    ///< without the newline; too_long: its first bytes only
  std::uint64_t begin = 0;  ///< position in the input
  std::uint64_t end = 0;    ///< after it and its newline
  std::uint64_t bytes = 0;  ///< of the whole line, without the newline
  bool too_long = false;
};

/// Not thread safe.
class LineSplitter {
 public:
  static constexpr std::size_t line_bytes_max_default = 1u << 20;
  static constexpr std::size_t block_bytes_default = 256u << 10;
  static constexpr std::size_t prefix_bytes_max = 4096;  ///< of a line that is too long
  static constexpr std::size_t padding_bytes =
      InputBuffer::padding_bytes;  ///< readable after every line's text

  /// When a line that is too long is reported.
  enum class TooLong {
    at_its_end,  ///< when all of it has been skipped: its `end` and `bytes` are known
    at_once  ///< when it passes the bound: for a peer that waits for the answer. The rest of it is dropped
  };

  explicit LineSplitter(std::size_t line_bytes_max = line_bytes_max_default,
                        std::size_t block_bytes = block_bytes_default,
                        TooLong too_long = TooLong::at_its_end);

  /// Where to read input to. Ask only when next() has no line left: this is what bounds the buffer.
  std::span<char> space() { return buffer_.space(); }
  /// So many bytes were read there.
  void added(std::size_t bytes) { buffer_.added(bytes); }
  /// The same for bytes that lie elsewhere, at any time: they are copied, and how many wait is for the caller
  /// to bound.
  void append(std::string_view bytes) { buffer_.append(bytes); }

  /// Whether next() has one.
  bool has_line();
  /// The next whole line; false when more input is needed. Valid until the next call.
  bool next(Line& line);
  /// Whether finish() has one, once next() has none.
  bool has_unfinished_line() const noexcept;
  /// The input is over: the unfinished line, if there is one. What follows is another input, from position 0.
  bool finish(Line& line);

 private:
  bool find_newline();
  bool skip_reported();
  bool is_too_long() const noexcept { return skipping_ || buffer_.waiting().size() > line_bytes_max_; }
  void begin_skipping();
  void take(std::size_t length, Line& line);

  const std::size_t line_bytes_max_;
  const TooLong too_long_;
  InputBuffer buffer_;          // what waits begins with the unfinished line
  std::size_t scanned_ = 0;     // no newline in so much of it
  std::uint64_t position_ = 0;  // of the unfinished line, or of what is left of it, in the input
  bool skipping_ = false;       // the unfinished line is too long:
  bool reported_ = false;       // it was reported (at_once),
  std::uint64_t skipped_ = 0;   // so much of it is gone,
  std::string prefix_;          // and this is how it began
};

}  // namespace perch
