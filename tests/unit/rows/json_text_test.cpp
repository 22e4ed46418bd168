#include "rows/json_text.hpp"

#include <doctest/doctest.h>

#include <string_view>
#include <vector>

using namespace perch::rows;

namespace json_text_test {

std::string_view at(std::string_view json, std::vector<std::string_view> path) {
  return json_text_at(json, path);
}

TEST_CASE("a number's text is found as it was written") {
  const std::string_view row = R"( {"a": [ {"t" : 1764015408.1234567891 } , -0.5e3], "b":{"c":{"d":7}}} )";
  CHECK(at(row, {"a", "0", "t"}) == "1764015408.1234567891");
  CHECK(at(row, {"a", "1"}) == "-0.5e3");
  CHECK(at(row, {"b", "c", "d"}) == "7");
  CHECK(at(row, {"b", "c"}) == R"({"d":7})");
  CHECK(at("3.25", {}) == "3.25");
}

TEST_CASE("brackets, quotes and escapes in strings are passed over") {
  const std::string_view row = R"({"x":"]}\"\\","y":["{",[1,"[",2]],"z":1.5})";
  CHECK(at(row, {"z"}) == "1.5");
  CHECK(at(row, {"y", "1", "2"}) == "2");
}

TEST_CASE("the last of members with one name counts, also when the name is escaped") {
  CHECK(at(R"({"p":1,"p":2,"\u0070":3.50})", {"p"}) == "3.50");
}

TEST_CASE("what is not there has no text") {
  CHECK(at(R"({"a":[]})", {"a", "0"}) == "");
  CHECK(at(R"({"a":[1]})", {"a", "1"}) == "");
  CHECK(at(R"({"a":[1]})", {"a", "x"}) == "");
  CHECK(at(R"({"a":1})", {"a", "b"}) == "");
  CHECK(at(R"({})", {"a"}) == "");
}

}  // namespace json_text_test
