#include "control/line_splitter.hpp"

#include <doctest/doctest.h>

#include <random>
#include <string>
#include <vector>

using perch::control::LineSplitter;

namespace line_splitter_test {

/// What the splitter should make of the whole input, worked out the plain way.
std::vector<std::string> expected_lines(const std::string& input, std::size_t line_bytes_max) {
  std::vector<std::string> lines;
  for (std::size_t begin = 0; begin < input.size();) {
    const std::size_t end = std::min(input.find('\n', begin), input.size());
    lines.push_back(end - begin > line_bytes_max ? "<too long>" : input.substr(begin, end - begin));
    begin = end + 1;
  }
  return lines;
}

void take_all(LineSplitter& splitter, std::vector<std::string>& lines) {
  while (const auto line = splitter.next()) lines.push_back(line->too_long ? "<too long>" : line->text);
}

std::string random_input(std::mt19937& random, std::size_t longest_line) {
  std::string input;
  for (int i = 0; i < 20; ++i) {
    input += std::string(random() % (longest_line + 1), static_cast<char>('a' + i));
    if (i < 19 || random() % 2) input += '\n';
  }
  return input;
}

TEST_CASE("lines come out whole wherever the chunks' borders lie") {
  constexpr std::size_t line_bytes_max = 12;
  for (unsigned seed = 0; seed < 2000; ++seed) {
    std::mt19937 random(seed);
    const std::string input = random_input(random, 20);
    LineSplitter splitter(line_bytes_max);
    std::vector<std::string> lines;
    for (std::size_t at = 0; at < input.size();) {
      const std::size_t size = std::min<std::size_t>(1 + random() % 9, input.size() - at);
      splitter.feed(std::string_view(input).substr(at, size));
      at += size;
      if (random() % 2) take_all(splitter, lines);
    }
    splitter.finish();
    take_all(splitter, lines);
    CAPTURE(seed);
    CAPTURE(input);
    REQUIRE(lines == expected_lines(input, line_bytes_max));
  }
}

TEST_CASE("a line without an end is no line until the input is finished") {
  LineSplitter splitter(100);
  splitter.feed("half");
  CHECK_FALSE(splitter.has_line());
  splitter.finish();
  REQUIRE(splitter.has_line());
  CHECK(splitter.next()->text == "half");
  CHECK_FALSE(splitter.next());
}

TEST_CASE("an endless line is reported once and costs no memory") {
  LineSplitter splitter(1000);
  int reported = 0;
  const std::string chunk(512, 'x');
  for (int i = 0; i < 100'000; ++i) {
    splitter.feed(chunk);
    while (const auto line = splitter.next()) reported += line->too_long ? 1 : 1000;
  }
  CHECK(reported == 1);
  splitter.feed("\nafter\n");
  REQUIRE(splitter.has_line());
  CHECK(splitter.next()->text == "after");
}

}  // namespace line_splitter_test
