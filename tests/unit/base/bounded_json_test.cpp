// JSON from outside, bounded in its depth.
#include <doctest/doctest.h>

#include <string>

#include "base/bounded_json.hpp"

namespace perch {
namespace bounded_json_test {

std::string nested(int levels, const std::string& inside) {
  std::string text;
  for (int level = 0; level < levels; ++level) text += level % 2 == 0 ? "[" : R"({"a":)";
  text += inside;
  for (int level = levels; level-- > 0;) text += level % 2 == 0 ? "]" : "}";
  return text;
}

TEST_CASE("bounded json: as deep as allowed, and no deeper, whatever is inside") {
  for (const std::string inside : {"1", "null", "[]", "{}", "\"[[[[\""}) {
    const int own = inside == "[]" || inside == "{}" ? 1 : 0;
    for (int levels = 1; levels < 12; ++levels) {
      const std::string text = nested(levels, inside);
      CAPTURE(text);
      CHECK(is_bounded_json(text, 8) == (levels + own <= 8));
      const auto parsed = parse_bounded(text, 8);
      REQUIRE(parsed.has_value() == (levels + own <= 8));
      if (!parsed) CHECK(parsed.error().is_too_deep);
    }
  }
  CHECK(parse_bounded(nested(8, "1"), 8)->dump() == nested(8, "1"));
}

TEST_CASE("bounded json: siblings of what is too deep do not save it") {
  CHECK(parse_bounded(R"({"a":[[1]],"b":2})", 2).error().message == "is nested deeper than 2 levels");
  CHECK_FALSE(is_bounded_json(R"({"a":[[1]],"b":2})", 2));
}

TEST_CASE("bounded json: what is no JSON is refused") {
  for (const char* const text : {"", "{", "[1,]", "nul", "{\"a\" 1}", "1 2", "\"\xff\""}) {
    CAPTURE(text);
    CHECK_FALSE(is_bounded_json(text, 8));
    const auto parsed = parse_bounded(text, 8);
    REQUIRE_FALSE(parsed);
    CHECK_FALSE(parsed.error().is_too_deep);
    CHECK(parsed.error().message.starts_with("is not JSON: "));
  }
}

TEST_CASE("bounded json: names that are given twice in one object are refused where that is asked for") {
  const std::string twice = R"({"a":{"b":1,"c":[{"b":2}],"b":3}})";
  CHECK(parse_bounded(twice, 8).has_value());
  const auto parsed = parse_bounded(twice, 8, JsonNames::once);
  REQUIRE_FALSE(parsed);
  CHECK_FALSE(parsed.error().is_too_deep);
  CHECK(parsed.error().message == R"(has "b" twice in one object)");
  for (const char* const once : {R"({"a":{"a":1},"b":[{"a":1},{"a":2}]})", "[[],{}]", R"({"A":2,"a":1})"})
    CHECK(parse_bounded(once, 8, JsonNames::once)->dump() == once);
  CHECK_FALSE(parse_bounded(R"({"a":1,"\u0061":2})", 8, JsonNames::once));
  CHECK(parse_bounded(R"({"a":1,"b":[[1]]})", 2, JsonNames::once).error().is_too_deep);
}

TEST_CASE("bounded json: the reason is short, however long the text") {
  const auto parsed = parse_bounded("\"" + std::string(std::size_t{1} << 20, 'x'), 8);
  REQUIRE_FALSE(parsed);
  CHECK(parsed.error().message.size() <= 320);
  const std::string name = "\"" + std::string(std::size_t{1} << 20, 'x') + "\":1";
  CHECK(parse_bounded("{" + name + "," + name + "}", 8, JsonNames::once).error().message.size() <= 320);
}

TEST_CASE("bounded json: millions of levels cost no stack") {
  const std::string text(std::size_t{4} << 20, '[');
  CHECK_FALSE(is_bounded_json(text, 64));
  CHECK(parse_bounded(text, 64).error().is_too_deep);
  CHECK(parse_bounded(text + std::string(text.size(), ']'), 64).error().is_too_deep);
}

}  // namespace bounded_json_test
}  // namespace perch
