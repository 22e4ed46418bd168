#include "feed/output.hpp"

#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "base/write_all.hpp"

namespace perch::feed {
namespace {

constexpr std::size_t buffer_bytes = 256u << 10;
constexpr std::size_t number_bytes_max = 24;

}  // namespace

Output::Output() : buffer_(buffer_bytes) { std::signal(SIGPIPE, SIG_IGN); }

void Output::text(std::string_view text) {
  while (!text.empty()) {
    reserve(std::min(text.size(), buffer_bytes));
    const std::string_view part = text.substr(0, buffer_bytes);
    std::memcpy(buffer_.data() + used_, part.data(), part.size());
    used_ += part.size();
    text.remove_prefix(part.size());
  }
}

void Output::integer(std::int64_t number) {
  reserve(number_bytes_max);
  char* const end = buffer_.data() + buffer_.size();
  used_ = static_cast<std::size_t>(std::to_chars(buffer_.data() + used_, end, number).ptr - buffer_.data());
}

void Output::hundredths(std::int64_t number) {
  if (number < 0) text("-");
  const std::int64_t size = number < 0 ? -number : number;
  integer(size / 100);
  reserve(3);
  buffer_[used_++] = '.';
  buffer_[used_++] = static_cast<char>('0' + size / 10 % 10);
  buffer_[used_++] = static_cast<char>('0' + size % 10);
}

void Output::flush() {
  if (!write_all(STDOUT_FILENO, {buffer_.data(), used_})) {
    if (errno == EPIPE) std::_Exit(0);
    std::perror("perch-feed: writing to standard output");
    std::_Exit(1);
  }
  used_ = 0;
}

}  // namespace perch::feed
