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

}  // namespace text_test
}  // namespace perch
