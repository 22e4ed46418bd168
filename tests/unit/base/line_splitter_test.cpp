#include "base/line_splitter.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <string>
#include <vector>

namespace perch {
namespace line_splitter_test {

using TooLong = LineSplitter::TooLong;

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

void check(const Line& line, const Expected& expected, std::size_t line_bytes_max, TooLong mode) {
  REQUIRE(line.begin == expected.begin);
  REQUIRE(line.too_long == (expected.text.size() > line_bytes_max));
  if (!line.too_long || mode == TooLong::at_its_end) {
    REQUIRE(line.end == expected.end);
    REQUIRE(line.bytes == expected.text.size());
  } else {
    REQUIRE(line.bytes > line_bytes_max);
    REQUIRE(line.bytes <= expected.text.size());
  }
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
    while (splitter.next(line)) check(line, expected.at(next++), line_bytes_max, TooLong::at_its_end);
  }
  if (splitter.finish(line)) check(line, expected.at(next++), line_bytes_max, TooLong::at_its_end);
  REQUIRE(next == expected.size());
}

/// The same with pieces of any size that are copied in, and lines taken only now and then; has_line() and
/// has_unfinished_line() say what next() and finish() then do.
void run_appending(LineSplitter& splitter, const std::string& input, std::size_t line_bytes_max, TooLong mode,
                   std::mt19937_64& random) {
  const auto expected = split(input);
  std::size_t next = 0;
  Line line;
  const auto take_all = [&] {
    for (;;) {
      const bool has_line = splitter.has_line();
      REQUIRE(splitter.next(line) == has_line);
      if (!has_line) return;
      check(line, expected.at(next++), line_bytes_max, mode);
    }
  };
  for (std::size_t at = 0; at < input.size();) {
    const std::size_t bytes = std::min<std::size_t>(1 + random() % 9, input.size() - at);
    splitter.append(std::string_view(input).substr(at, bytes));
    at += bytes;
    if (random() % 2) take_all();
  }
  take_all();
  const bool has_unfinished = splitter.has_unfinished_line();
  REQUIRE(splitter.finish(line) == has_unfinished);
  if (has_unfinished) check(line, expected.at(next++), line_bytes_max, mode);
  REQUIRE(next == expected.size());
  REQUIRE_FALSE(splitter.has_line());
  REQUIRE_FALSE(splitter.has_unfinished_line());
}

/// Lines of all lengths around the bound; the last one may lack its newline.
std::string random_input(std::mt19937_64& random, std::size_t line_bytes_max) {
  std::string input;
  const std::size_t lines = random() % 40;
  for (std::size_t i = 0; i < lines; ++i) {
    const std::size_t kind = random() % 10;
    const std::size_t length = kind == 0   ? 0
                               : kind == 1 ? line_bytes_max - 10 + random() % 20
                               : kind == 2 ? random() % (12 * line_bytes_max)
                                           : random() % (line_bytes_max / 2);
    for (std::size_t c = 0; c < length; ++c) input += static_cast<char>('a' + random() % 26);
    if (i + 1 < lines || random() % 2 == 0) input += '\n';
  }
  return input;
}

TEST_CASE("lines arrive whole wherever the input is cut, and too long ones are skipped") {
  std::mt19937_64 random(7);
  constexpr std::size_t line_bytes_max = 50;
  LineSplitter splitter(line_bytes_max, 64);
  // The splitter is used again: finish() begins a new input.
  for (int round = 0; round < 3000; ++round)
    run(splitter, random_input(random, line_bytes_max), 1 + random() % 64, line_bytes_max, random);
}

TEST_CASE("lines that are copied in come out whole, and too long ones once, at once or at their end") {
  std::mt19937_64 random(6);
  constexpr std::size_t line_bytes_max = 20;
  for (const TooLong mode : {TooLong::at_once, TooLong::at_its_end}) {
    LineSplitter splitter(line_bytes_max, 64, mode);
    for (int round = 0; round < 2000; ++round)
      run_appending(splitter, random_input(random, line_bytes_max), line_bytes_max, mode, random);
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

TEST_CASE("a line without an end is no line until the input is finished") {
  LineSplitter splitter(100);
  splitter.append("half");
  CHECK_FALSE(splitter.has_line());
  REQUIRE(splitter.has_unfinished_line());
  Line line;
  CHECK_FALSE(splitter.next(line));
  REQUIRE(splitter.finish(line));
  CHECK(line.text == "half");
  CHECK_FALSE(splitter.has_unfinished_line());
}

TEST_CASE("an endless line is reported once and costs no memory") {
  LineSplitter splitter(1000, 512, TooLong::at_once);
  int reported = 0;
  Line line;
  for (int i = 0; i < 100'000; ++i) {
    const auto space = splitter.space();  // asserts that the bound on what waits holds
    std::memset(space.data(), 'x', space.size());
    splitter.added(space.size());
    while (splitter.next(line)) reported += line.too_long ? 1 : 1000;
  }
  CHECK(reported == 1);
  CHECK_FALSE(splitter.has_unfinished_line());
  splitter.append("\nafter\n");
  REQUIRE(splitter.has_line());
  REQUIRE(splitter.next(line));
  CHECK(line.text == "after");
}

TEST_CASE("an endless line that was reported is not reported again at the end of the input") {
  LineSplitter splitter(10, 64, TooLong::at_once);
  splitter.append(std::string(50, 'x'));
  Line line;
  REQUIRE(splitter.next(line));
  splitter.append(std::string(50, 'x'));
  CHECK_FALSE(splitter.finish(line));
  splitter.append("new\n");
  REQUIRE(splitter.next(line));
  CHECK(line.text == "new");
  CHECK(line.begin == 0);
}

}  // namespace line_splitter_test
}  // namespace perch
