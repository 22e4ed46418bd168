// Output: rows to standard output, in large writes.
#pragma once

#include <charconv>
#include <cstdint>
#include <string_view>
#include <vector>

namespace perch::feed {

/// Not thread safe. When nobody reads any more (EPIPE) the program ends, quietly.
class Output {
 public:
  Output();
  ~Output() { flush(); }

  void text(std::string_view text);
  void integer(std::int64_t number);
  /// In hundredths: 12345 is written as 123.45.
  void hundredths(std::int64_t number);
  /// Writes out everything appended so far.
  void flush();

 private:
  void reserve(std::size_t bytes) {
    if (buffer_.size() - used_ < bytes) flush();
  }

  std::vector<char> buffer_;
  std::size_t used_ = 0;
};

}  // namespace perch::feed
