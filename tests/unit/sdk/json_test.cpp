// JsonWriter, Config and the scanner below it, judged by nlohmann::json.
#include "perch/json.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "perch/config.hpp"

namespace json_test {

using perch::BadConfig;
using perch::Config;
using perch::JsonWriter;
using Json = nlohmann::json;

TEST_CASE("what is written is the JSON that was meant") {
  JsonWriter json;
  json.begin_object().member("whole", std::uint64_t{18446744073709551615u}).member("least", INT64_MIN);
  json.member("real", 0.1).member("yes", true).member("name", "top").key("none").null();
  json.key("list").begin_array().value(1).value("two").begin_object().end_object().begin_array().end_array();
  json.end_array().end_object();
  CHECK(Json::parse(json.text()) == Json{{"whole", 18446744073709551615u},
                                         {"least", INT64_MIN},
                                         {"real", 0.1},
                                         {"yes", true},
                                         {"name", "top"},
                                         {"none", nullptr},
                                         {"list", Json::array({1, "two", Json::object(), Json::array()})}});
  json.clear();
  CHECK(json.begin_array().end_array().text() == "[]");
}

TEST_CASE("numbers that JSON does not have are strings") {
  JsonWriter json;
  json.begin_array().value(std::numeric_limits<double>::quiet_NaN());
  json.value(std::numeric_limits<float>::infinity())
      .value(-std::numeric_limits<double>::infinity())
      .end_array();
  CHECK(json.text() == R"(["NaN","Infinity","-Infinity"])");
}

TEST_CASE("every byte of a string survives, or becomes U+FFFD where it is no UTF-8") {
  std::string all;
  for (int c = 0; c < 0x80; ++c) all += static_cast<char>(c);
  all += "ä€\U0001F426";
  JsonWriter json;
  json.value(all);
  CHECK(Json::parse(json.text()).get<std::string>() == all);

  for (const std::string_view broken :
       {"\x80", "\xC0\xAF", "\xE2\x82", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xFF"}) {
    json.clear();
    json.value(std::string("a") + std::string(broken) + "b");
    const auto read = Json::parse(json.text()).get<std::string>();
    CHECK(read.starts_with("a\xEF\xBF\xBD"));
    CHECK(read.ends_with("b"));
  }
}

TEST_CASE("the scanner takes what is JSON and nothing else") {
  using perch::detail::is_json_object;
  static_assert(is_json_object(R"( { "a" : [ 1 , -2.5e+3, "x\u00e4\n", true, false, null, {} ] } )"));
  for (const std::string_view text : {"",
                                      "{",
                                      "[]",
                                      "{}x",
                                      "{\"a\"}",
                                      "{\"a\":}",
                                      "{\"a\":1,}",
                                      "{a:1}",
                                      "{\"a\":01}",
                                      "{\"a\":1.}",
                                      "{\"a\":.5}",
                                      "{\"a\":+1}",
                                      "{\"a\":1e}",
                                      "{\"a\":tru}",
                                      "{\"a\":\"\\x\"}",
                                      "{\"a\":\"\\u12g4\"}",
                                      "{\"a\":\"\n\"}",
                                      "{\"a\":[1 2]}",
                                      "{\"a\":[1,]}",
                                      "{\"a\":NaN}",
                                      "{\"a\":\"",
                                      "{\"a\":\"\\"}) {
    CAPTURE(text);
    CHECK_FALSE(is_json_object(text));
    const bool is_object = Json::accept(text) && Json::parse(text).is_object();
    CHECK_FALSE(is_object);
  }
  CHECK_FALSE(is_json_object("{\"a\":" + std::string(100'000, '[')));
  CHECK_THROWS_AS(Config("[1]"), BadConfig);
}

TEST_CASE("a config gives its members, or what to use instead") {
  const Config config(
      R"({ "s": "a\"\\\/\b\u00e4\ud83d\udc26\ud83dx", "n": -2.5, "i": 7, "b": true, "none": null,
                           "d": "1.5m", "zero": "0", "nested": { "s": [1, {"n": 3}] }, "last": "x" })");
  CHECK(config.string("s", "") == "a\"\\/\bä\U0001F426\xEF\xBF\xBDx");
  CHECK(config.number("n", 0) == -2.5);
  CHECK(config.integer("i", 0, 0, 10) == 7);
  CHECK(config.boolean("b", false));
  CHECK(config.duration("d", {}) == std::chrono::seconds(90));
  CHECK(config.duration("zero", std::chrono::seconds(1)).count() == 0);
  CHECK(config.string("last", "") == "x");
  CHECK(config.has("nested"));
  CHECK_FALSE(config.has("missing"));
  CHECK(config.string("none", "otherwise") == "otherwise");
  CHECK(config.number("missing", 3) == 3);
  CHECK(config.duration("missing", std::chrono::hours(1)) == std::chrono::hours(1));
  CHECK(Config("{}").string("x", "y") == "y");
}

TEST_CASE("a wrong member of a config is an error that names it") {
  const Config config(R"({"window": 10, "top": "five", "every": "10 parsecs", "i": 2.5})");
  CHECK_THROWS_WITH(config.string("window", ""), "\"window\" must be a string, not 10");
  CHECK_THROWS_WITH(config.number("top", 0), "\"top\" must be a number, not \"five\"");
  CHECK_THROWS_WITH(config.integer("i", 0, 0, 9), "\"i\" must be a whole number, not 2.5");
  CHECK_THROWS_WITH(config.integer("window", 0, 0, 9), "\"window\" must be from 0 to 9, not 10");
  CHECK_THROWS_WITH(config.boolean("top", true), "\"top\" must be true or false, not \"five\"");
  CHECK_THROWS_WITH(config.duration("every", {}),
                    "\"every\" must be a duration such as \"250ms\", \"10s\" or \"1h\", not \"10 parsecs\"");
  CHECK_THROWS_AS(config.duration("window", {}), BadConfig);
  CHECK_THROWS_WITH(config.allow_only({"window", "top", "i"}),
                    "unknown member \"every\" (known: window, top, i)");
}

}  // namespace json_test
