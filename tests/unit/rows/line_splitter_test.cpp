#include "rows/line_splitter.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <string>
#include <vector>

using perch::rows::Line;
using perch::rows::LineSplitter;

namespace line_splitter_test {

struct Expected {
  std::string text;
  std::uint64_t begin;
  std::uint64_t end;
};

/// The judge: the same lines from the whole input at once.
std::vector<Expected> split(const std::string& input) {
  std::vector<Expected> lines;
  for (std::size_t begin = 0; begin < input.size();) {
    const std::size_t newline = input.find('\n', begin);
    const std::size_t text_end = std::min(newline, input.size());
    const std::size_t end = newline == std::string::npos ? input.size() : newline + 1;
    lines.push_back({input.substr(begin, text_end - begin), begin, end});
    begin = end;
  }
  return lines;
}

void check(const Line& line, const Expected& expected, std::size_t line_bytes_max) {
  REQUIRE(line.begin == expected.begin);
  REQUIRE(line.end == expected.end);
  REQUIRE(line.bytes == expected.text.size());
  REQUIRE(line.too_long == (expected.text.size() > line_bytes_max));
  if (line.too_long) {
    REQUIRE(!line.text.empty());
    REQUIRE(expected.text.compare(0, line.text.size(), line.text) == 0);
  } else {
    REQUIRE(line.text == expected.text);
  }
}

/// Feeds the input in random pieces and compares with the judge.
void run(LineSplitter& splitter, const std::string& input, std::size_t piece_max, std::size_t line_bytes_max,
         std::mt19937_64& random) {
  const auto expected = split(input);
  std::size_t next = 0;
  Line line;
  for (std::size_t at = 0; at < input.size();) {
    const auto space = splitter.space();
    const std::size_t bytes = std::min({1 + random() % piece_max, space.size(), input.size() - at});
    std::memcpy(space.data(), input.data() + at, bytes);
    splitter.added(bytes);
    at += bytes;
    while (splitter.next(line)) check(line, expected.at(next++), line_bytes_max);
  }
  if (splitter.finish(line)) check(line, expected.at(next++), line_bytes_max);
  REQUIRE(next == expected.size());
}

TEST_CASE("lines arrive whole wherever the input is cut, and too long ones are skipped") {
  std::mt19937_64 random(7);
  constexpr std::size_t line_bytes_max = 50;
  LineSplitter splitter(line_bytes_max, 64);
  for (int round = 0; round < 3000; ++round) {  // the splitter is used again: finish() begins a new input
    std::string input;
    const std::size_t lines = random() % 40;
    for (std::size_t i = 0; i < lines; ++i) {
      const std::size_t kind = random() % 10;
      const std::size_t length = kind == 0   ? 0
                                 : kind == 1 ? 40 + random() % 20
                                 : kind == 2 ? random() % 600
                                             : random() % 30;
      for (std::size_t c = 0; c < length; ++c) input += static_cast<char>('a' + random() % 26);
      if (i + 1 < lines || random() % 2 == 0) input += '\n';
    }
    run(splitter, input, 1 + random() % 64, line_bytes_max, random);
  }
}

TEST_CASE("a line of exactly the limit is taken, one byte more is not") {
  std::mt19937_64 random(8);
  constexpr std::size_t limit = LineSplitter::line_bytes_max_default;
  LineSplitter splitter;
  run(splitter, std::string(limit, 'x') + "\n" + std::string(limit + 1, 'y') + "\nz", 100'000, limit, random);
}

TEST_CASE("a line of 10 MB keeps its first bytes for the reject log") {
  std::mt19937_64 random(9);
  LineSplitter splitter;
  const std::string input = "first\n" + std::string(10'000'000, 'x') + "\nlast\n";
  run(splitter, input, 250'000, LineSplitter::line_bytes_max_default, random);
}

}  // namespace line_splitter_test
