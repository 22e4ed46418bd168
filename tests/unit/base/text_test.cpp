#include "base/text.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>

namespace perch {
namespace text_test {

TEST_CASE("texts of plugins become one line of valid UTF-8, cut") {
  CHECK(clean_text("a\nb\tc\x7f", 100) == "a b c ");
  CHECK(clean_text("gr\xc3\xbc\xc3\x9f", 100) == "gr\xc3\xbc\xc3\x9f");
  CHECK(clean_text("x\xff", 100) == "x\xef\xbf\xbd");
  CHECK(clean_text("\xc3\xbc", 1) == "\xef\xbf\xbd");
  CHECK(clean_text(std::string_view("a\0b", 3), 100) == "a b");
  CHECK(clean_text(std::string(1000, 'x'), 10).size() == 10);
}

TEST_CASE("a text is cut between characters") {
  CHECK(cut_text("abc", 3) == "abc");
  CHECK(cut_text("abc", 2) == "ab");
  CHECK(cut_text("a\xc3\xbc", 3) == "a\xc3\xbc");
  CHECK(cut_text("a\xc3\xbc", 2) == "a");
  CHECK(cut_text("\xf0\x9f\x90\x9f!", 3) == "");
  CHECK(cut_text("\xf0\x9f\x90\x9f!", 4) == "\xf0\x9f\x90\x9f");
  CHECK(cut_text("\xc3\xbc", 0) == "");
  CHECK(cut_text(std::string(10, '\x80'), 8).size() == 5);  // not UTF-8: most of it stays
}

TEST_CASE("characters are counted, not bytes") {
  CHECK(characters_in("") == 0);
  CHECK(characters_in("a\xc3\xbc\xf0\x9f\x90\x9f") == 3);
}

TEST_CASE("a name in a message is quoted") { CHECK(in_quotes("a b") == "\"a b\""); }

}  // namespace text_test
}  // namespace perch
