// Settings: the schema that the manifest gets of a struct, and the struct that a config becomes.
#include "perch/settings.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace settings_test {

using Json = nlohmann::json;

struct Settings {
  bool flag = true;
  double low = -0.25;
  std::int8_t small = -3;
  std::uint64_t big = 7;
  std::int64_t least = INT64_MIN;
  std::uint32_t top = 5;
  std::vector<perch::chars<8>> symbols;
  std::optional<double> maybe;
  std::chrono::nanoseconds window = std::chrono::seconds(90);
  perch::chars<8> by{"cpu"};
  std::uint16_t port = 0;

  static constexpr auto members = perch::settings(
      perch::setting("flag", &Settings::flag, "a \"flag\"\n"),
      perch::setting("low", &Settings::low, "").from(-1.5).to(1e300),
      perch::setting("small", &Settings::small, ""), perch::setting("big", &Settings::big, ""),
      perch::setting("least", &Settings::least, ""),
      perch::setting("top", &Settings::top, "").from(1).to(100),
      perch::setting("symbols", &Settings::symbols, ""), perch::setting("maybe", &Settings::maybe, ""),
      perch::setting("window", &Settings::window, "").from(std::chrono::seconds(1)).to(std::chrono::hours(2)),
      perch::setting("by", &Settings::by, "").one_of("cpu", "memory"),
      perch::setting("port", &Settings::port, "").required());
};

constexpr auto schema_text = perch::detail::make_text(
    [](perch::detail::TextSink& sink) { perch::detail::write_schema<Settings>(sink); });

Settings read(const std::string& members) {
  return perch::detail::read_settings<Settings>(perch::Config("{\"port\": 80" + members + "}"));
}

/// The message of the refusal; "" when there is none.
std::string refusal(const std::string& config) {
  try {
    perch::detail::read_settings<Settings>(perch::Config(config));
    return "";
  } catch (const perch::BadConfig& problem) {
    return problem.what();
  }
}

TEST_CASE("settings become a JSON Schema at compile time") {
  const Json schema = Json::parse(schema_text.view());
  CHECK(schema["type"] == "object");
  CHECK(schema["additionalProperties"] == false);
  CHECK(schema["required"] == Json{"port"});
  const Json& members = schema["properties"];
  CHECK(members.size() == 11);
  CHECK(members["flag"] == Json{{"type", "boolean"}, {"default", true}, {"description", "a \"flag\"\n"}});
  CHECK(members["low"] == Json{{"type", "number"}, {"minimum", -1.5}, {"default", -0.25}});
  CHECK(members["small"] == Json{{"type", "integer"}, {"minimum", -128}, {"maximum", 127}, {"default", -3}});
  CHECK(members["big"] == Json{{"type", "integer"}, {"minimum", 0}, {"default", 7}});
  CHECK(members["least"] == Json{{"type", "integer"}, {"default", INT64_MIN}});
  CHECK(members["top"] == Json{{"type", "integer"}, {"minimum", 1}, {"maximum", 100}, {"default", 5}});
  CHECK(members["symbols"] == Json{{"type", "array"}, {"items", {{"type", "string"}, {"maxLength", 8}}}});
  CHECK(members["maybe"] == Json{{"type", "number"}});
  CHECK(members["window"]["type"] == "string");
  CHECK(members["window"]["default"] == "90s");
  CHECK(members["window"]["x-pattern-words"] == R"(a duration such as "250ms", "10s" or "1h")");
  CHECK(members["by"] ==
        Json{{"type", "string"}, {"maxLength", 8}, {"enum", {"cpu", "memory"}}, {"default", "cpu"}});
  CHECK(members["port"] == Json{{"type", "integer"}, {"minimum", 0}, {"maximum", 65535}});
}

TEST_CASE("what a config leaves out has the struct's default") {
  const Settings settings = read("");
  CHECK(settings.flag);
  CHECK(settings.low == -0.25);
  CHECK(settings.symbols.empty());
  CHECK_FALSE(settings.maybe.has_value());
  CHECK(settings.window == std::chrono::seconds(90));
  CHECK(settings.by == "cpu");
  CHECK(settings.port == 80);
  CHECK(read(R"(, "flag": null)").flag);
}

TEST_CASE("a config's members become the struct's") {
  const Settings settings = read(R"(, "flag": false, "low": 1e3, "small": -128, "big": 18446744073709551615,
      "least": 9223372036854775807, "top": 100, "symbols": ["A", "\u00e4\"", ""], "maybe": 2,
      "window": "1.5h", "by": "memory")");
  CHECK_FALSE(settings.flag);
  CHECK(settings.low == 1000);
  CHECK(settings.small == -128);
  CHECK(settings.big == UINT64_MAX);
  CHECK(settings.least == INT64_MAX);
  CHECK(settings.top == 100);
  REQUIRE(settings.symbols.size() == 3);
  CHECK(settings.symbols[0] == "A");
  CHECK(settings.symbols[1] == "\xc3\xa4\"");
  CHECK(settings.symbols[2] == "");
  CHECK(settings.maybe == 2.0);
  CHECK(settings.window == std::chrono::minutes(90));
  CHECK(settings.by == "memory");
}

TEST_CASE("a wrong member is refused by name, with what it must be") {
  const std::vector<std::pair<std::string, std::string>> cases{
      {R"({})", "\"port\" is missing"},
      {R"({"port": 1, "prot": 2})",
       "unknown member \"prot\" (known: flag, low, small, big, least, top, symbols, maybe, window, by, "
       "port)"},
      {R"({"port": 65536})", "\"port\" must be a whole number from 0 to 65535, not 65536"},
      {R"({"port": -1})", "\"port\" must be a whole number, not -1"},
      {R"({"port": 1.5})", "\"port\" must be a whole number, not 1.5"},
      {R"({"port": 1, "flag": 1})", "\"flag\" must be true or false, not 1"},
      {R"({"port": 1, "top": 0})", "\"top\" must be at least 1, not 0"},
      {R"({"port": 1, "top": 101})", "\"top\" must be at most 100, not 101"},
      {R"({"port": 1, "low": -2})", "\"low\" must be at least -1.5, not -2"},
      {R"({"port": 1, "window": "1ms"})", "\"window\" must be at least \"1s\", not \"1ms\""},
      {R"({"port": 1, "window": "3h"})", "\"window\" must be at most \"2h\", not \"3h\""},
      {R"({"port": 1, "window": 5})",
       "\"window\" must be a duration such as \"250ms\", \"10s\" or \"1h\", not 5"},
      {R"({"port": 1, "by": "disk"})", R"("by" must be one of "cpu", "memory", not "disk")"},
      {R"({"port": 1, "symbols": "A"})", "\"symbols\" must be an array, not \"A\""},
      {R"({"port": 1, "symbols": ["A", 7 ]})", "\"symbols[1]\" must be a string, not 7"},
      {R"({"port": 1, "symbols": [ "123456789" ]})",
       "\"symbols[0]\" must be of at most 8 bytes, not \"123456789\""},
      {R"({"port": 1, "maybe": "x"})", "\"maybe\" must be a number, not \"x\""},
  };
  for (const auto& [config, message] : cases) {
    CAPTURE(config);
    CHECK(refusal(config) == message);
  }
}

}  // namespace settings_test
