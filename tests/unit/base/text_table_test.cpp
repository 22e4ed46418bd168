#include "base/text_table.hpp"

#include <doctest/doctest.h>

namespace perch {
namespace text_table_test {

TEST_CASE("columns are as wide as their widest cell, numbers end at the right") {
  TextTable table({{"NAME"}, {"ROWS", Align::right}, {"NOTE"}});
  table.add_row({"trades", "1,000", "a"});
  table.add_row({"µ", "7"});
  CHECK(table.text("> ") ==
        "> NAME     ROWS  NOTE\n"
        "> trades  1,000  a\n"
        "> µ           7\n");
}

}  // namespace text_table_test
}  // namespace perch
