// A reader's config against its plugin's JSON Schema: what is said about it, and which schemas are refused.
#include "plugin/config_schema.hpp"

#include <doctest/doctest.h>

#include "plugin/schema_rules.hpp"

namespace perch::plugin {
namespace config_schema_test {

using Json = nlohmann::json;
using Lines = std::vector<std::string>;

Lines problems(const std::string& schema, const std::string& config) {
  const auto parsed = ConfigSchema::parse(schema);
  REQUIRE_MESSAGE(parsed.has_value(), (parsed ? "" : parsed.error().message));
  return parsed->problems(Json::parse(config));
}

/// Schemas of one member, x.
Lines problems_of_x(const std::string& schema, const std::string& value) {
  return problems(R"({"properties":{"x":)" + schema + "}}", R"({"x":)" + value + "}");
}

std::string refusal(const std::string& schema) {
  const auto parsed = ConfigSchema::parse(schema);
  return parsed ? "" : parsed.error().message;
}

const char* const trades_schema = R"({
  "type": "object", "additionalProperties": false, "required": ["symbol"],
  "properties": {
    "symbol": { "type": "string", "minLength": 1, "maxLength": 8, "description": "what to watch" },
    "window": { "type": "string", "pattern": "^[0-9]+(ms|s|m|h)$" },
    "every": { "type": "string" },
    "top": { "type": "integer", "minimum": 1, "maximum": 100, "description": "how many" },
    "by": { "enum": ["cpu", "memory"] },
    "levels": { "type": "array", "items": { "type": "number" }, "minItems": 1, "maxItems": 3, "uniqueItems": true } } })";

TEST_CASE("a config that fits its schema has no problems") {
  CHECK(problems(trades_schema, R"({"symbol":"BTC","window":"5m","top":100,"by":"memory","levels":[1,2.5]})")
            .empty());
  CHECK(problems("{}", R"({"anything":["goes",1,null]})").empty());
  CHECK(problems("{}", "{}").empty());
}

TEST_CASE("each problem is one line that names the member, what it must be, what it is, and what it is for") {
  const auto found =
      problems(trades_schema, R"({"window":5,"top":1000,"evry":"1s","by":"cpus","levels":[]})");
  CHECK(found == Lines{
                     "config.by: must be one of \"cpu\", \"memory\", not \"cpus\" (did you mean \"cpu\"?)",
                     "config.evry: unknown member (did you mean every?)",
                     "config.levels: must have at least 1 item, not 0",
                     "config.top: must be at most 100, not 1000 (how many)",
                     "config.window: must be a string, not 5",
                     "config: member \"symbol\" is missing (what to watch)",
                 });
}

TEST_CASE("every keyword that a config schema is likely to use has words of its own") {
  CHECK(problems_of_x(R"({"type":["integer","null"]})", "true") ==
        Lines{"config.x: must be a whole number or null, not true"});
  CHECK(problems_of_x(R"({"type":"integer"})", "2.5") == Lines{"config.x: must be a whole number, not 2.5"});
  CHECK(problems_of_x(R"({"const":7})", "8") == Lines{"config.x: must be 7, not 8"});
  CHECK(problems_of_x(R"({"minimum":1})", "0") == Lines{"config.x: must be at least 1, not 0"});
  CHECK(problems_of_x(R"({"exclusiveMinimum":1})", "1") == Lines{"config.x: must be more than 1, not 1"});
  CHECK(problems_of_x(R"({"exclusiveMaximum":1.5})", "1.5") ==
        Lines{"config.x: must be less than 1.5, not 1.5"});
  CHECK(problems_of_x(R"({"multipleOf":5})", "7") == Lines{"config.x: must be a multiple of 5, not 7"});
  CHECK(problems_of_x(R"({"minLength":2})", "\"é\"") ==
        Lines{"config.x: must have at least 2 characters, not 1"});
  CHECK(problems_of_x(R"({"maxLength":1})", "\"éé\"") ==
        Lines{"config.x: must have at most 1 character, not 2"});
  CHECK(problems_of_x(R"({"pattern":"^a+$"})", "\"ab\"") ==
        Lines{"config.x: must match the pattern ^a+$, not \"ab\""});
  CHECK(problems_of_x(R"({"pattern":"^[0-9]+s$","x-pattern-words":"a duration such as 5s"})", "\"5\"") ==
        Lines{"config.x: must be a duration such as 5s, not \"5\""});
  CHECK(problems_of_x(R"({"minimum":-5})", "9223372036854775808").empty());
  CHECK(problems_of_x(R"({"maximum":9000000000000000000})", "18446744073709551615") ==
        Lines{"config.x: must be at most 9000000000000000000, not 18446744073709551615"});
  CHECK(problems_of_x(R"({"maxItems":1})", "[1,2]") == Lines{"config.x: must have at most 1 item, not 2"});
  CHECK(problems_of_x(R"({"uniqueItems":true})", "[1,2,1]") ==
        Lines{"config.x: has 1 twice; its items must differ"});
  CHECK(problems_of_x(R"({"items":{"type":"string"}})", R"(["a",1])") ==
        Lines{"config.x[1]: must be a string, not 1"});
  CHECK(problems_of_x(R"({"items":[{"type":"string"}],"additionalItems":{"type":"null"}})", R"([1,2])") ==
        Lines{"config.x[0]: must be a string, not 1", "config.x[1]: must be null, not 2"});
  CHECK(problems_of_x(R"({"contains":{"const":1}})", "[2]") ==
        Lines{"config.x: has no item of the kind that it must contain"});
  CHECK(problems_of_x(R"({"minProperties":1})", "{}") ==
        Lines{"config.x: must have at least 1 member, not 0"});
  CHECK(problems_of_x(R"({"additionalProperties":{"type":"number"}})", R"({"a b":"c"})") ==
        Lines{"config.x[\"a b\"]: must be a number, not \"c\""});
  CHECK(problems_of_x(R"({"propertyNames":{"maxLength":2}})", R"({"abc":1})") ==
        Lines{"config.x.abc, its name: must have at most 2 characters, not 3"});
  CHECK(problems_of_x(R"({"dependencies":{"a":["b"]}})", R"({"a":1})") ==
        Lines{"config.x: member \"b\" is missing, which \"a\" needs"});
  CHECK(problems_of_x("false", "1") == Lines{"config.x: must not be there"});
  CHECK(problems_of_x(R"({"not":{"type":"null"}})", "null") == Lines{"config.x: must not be like null"});
  CHECK(
      problems_of_x(R"({"anyOf":[{"type":"string"},{"minimum":3}]})", "2") ==
      Lines{"config.x: fits none of the forms that the schema allows: config.x: must be a string, not 2; or "
            "config.x: must be at least 3, not 2"});
  CHECK(problems_of_x(R"({"oneOf":[{"type":"integer"},{"minimum":1}]})", "2") ==
        Lines{"config.x: fits 2 forms of which it may fit one only"});
  CHECK(problems_of_x(R"({"if":{"type":"string"},"then":{"minLength":1},"else":{"minimum":0}})", "-1") ==
        Lines{"config.x: must be at least 0, not -1"});
  CHECK(problems(R"({"type":"object","additionalProperties":false})", R"({"a":1})") ==
        Lines{"config.a: unknown member (it takes none)"});
}

TEST_CASE("numbers are compared by their exact value, whatever their size and type") {
  CHECK(problems_of_x(R"({"const":-1})", "18446744073709551615").size() == 1);
  CHECK(problems_of_x(R"({"enum":[18446744073709551615]})", "-1").size() == 1);
  CHECK(problems_of_x(R"({"enum":[{"a":[1.0]}]})", R"({"a":[1]})").empty());
  CHECK(problems_of_x(R"({"uniqueItems":true})", "[-1,18446744073709551615]").empty());
  CHECK(problems_of_x(R"({"uniqueItems":true})", "[1,2,1.0]").size() == 1);
  for (const auto& [divisor, value] : {std::pair("2", "9007199254740993"),
                                       {"2.0", "9007199254740991"},
                                       {"7", "10000000001"},
                                       {"10", "18446744073709551615"},
                                       {"2", "2.5"},
                                       {"0.1", "0.35"},
                                       {"0.1", "10000000000.05"}}) {
    CHECK_MESSAGE(problems_of_x(R"({"multipleOf":)" + std::string(divisor) + "}", value).size() == 1, value);
  }
  for (const auto& [divisor, value] : {std::pair("2", "9007199254740994"),
                                       {"5", "18446744073709551615"},
                                       {"7", "-7"},
                                       {"2", "4.0"},
                                       {"2", "0"},
                                       {"0.1", "0.3"},
                                       {"0.1", "6"},
                                       {"0.1", "12345678.9"}}) {
    CHECK_MESSAGE(problems_of_x(R"({"multipleOf":)" + std::string(divisor) + "}", value).empty(), value);
  }
}

TEST_CASE("definitions are followed, also where they refer to themselves") {
  const std::string tree = R"({"definitions":{"node":{"type":"object","additionalProperties":false,
    "properties":{"name":{"type":"string"},"next":{"$ref":"#/definitions/node"}}}},
    "properties":{"first":{"$ref":"#/definitions/node"}}})";
  CHECK(problems(tree, R"({"first":{"name":"a","next":{"name":"b","next":{}}}})").empty());
  CHECK(problems(tree, R"({"first":{"next":{"next":{"name":1}}}})") ==
        Lines{"config.first.next.next.name: must be a string, not 1"});
  CHECK(problems(R"({"properties":{"self":{"$ref":"#"}},"additionalProperties":false})",
                 R"({"self":{"x":1}})") == Lines{"config.self.x: unknown member (known: self)"});
}

TEST_CASE("a schema that cannot be used is refused, with the place that is wrong") {
  CHECK(refusal("[]") == "config_schema: must be an object");
  CHECK(refusal(R"({"type":"strin"})").find("config_schema.type: must be array, boolean") == 0);
  CHECK(refusal(R"({"properties":{"top":{"minimum":"1"}}})") ==
        "config_schema.properties.top.minimum: must be a number");
  CHECK(refusal(R"({"properties":{"top":5}})") ==
        "config_schema.properties.top: must be a schema: an object, true or false");
  CHECK(refusal(R"({"required":"a"})") == "config_schema.required: must be an array of member names");
  CHECK(refusal(R"({"multipleOf":0})") == "config_schema.multipleOf: must be a number over 0");
  CHECK(refusal(R"({"minLength":-1})") == "config_schema.minLength: must be a whole number of 0 or more");
  CHECK(refusal(R"({"minimun":1})") ==
        "config_schema.minimun: is no keyword that this host judges by (did you mean minimum?)");
  CHECK(refusal(R"({"patternProperties":{}})").find("is not supported") != std::string::npos);
  CHECK(refusal(R"({"pattern":"("})").find("the pattern ( is no regular expression") != std::string::npos);
  CHECK(refusal(R"({"pattern":"(a)\\1"})").find("refers back") != std::string::npos);
  CHECK(
      refusal(
          R"({"x-unit":"ms","title":"t","default":{},"format":"date","$schema":"http://json-schema.org/x"})") ==
      "");
}

TEST_CASE("nothing is fetched: a reference leads into the schema's own definitions, or it is refused") {
  for (const char* const ref :
       {"http://example.org/schema.json", "file:///etc/passwd", "other.json", "#/definitions/none",
        "#/properties/x", "#/definitions/a/b", "/etc/passwd", ""}) {
    const std::string text =
        refusal(R"({"definitions":{"a":{}},"properties":{"x":{"$ref":)" + Json(ref).dump() + "}}}");
    CHECK_MESSAGE(text.find("nothing is fetched from elsewhere") != std::string::npos, ref);
  }
  CHECK(
      refusal(
          R"({"$id":"http://example.org/a.json","definitions":{"a":{}},"properties":{"x":{"$ref":"#/definitions/a"}}})") ==
      "");
}

TEST_CASE("schemas and configs that would take for ever, or the stack, are refused in time") {
  CHECK(refusal(R"({"$ref":"#"})").find("refers to itself without end") != std::string::npos);
  CHECK(
      refusal(
          R"({"definitions":{"a":{"allOf":[{"$ref":"#/definitions/b"}]},"b":{"not":{"$ref":"#/definitions/a"}}},
    "properties":{"x":{"$ref":"#/definitions/a"}}})")
          .find("refers to itself without end") != std::string::npos);
  std::string multiplying = R"({"definitions":{)";
  for (int i = 0; i < 6; ++i) {
    const std::string next = R"({"$ref":"#/definitions/d)" + std::to_string(i + 1) + "\"}";
    multiplying += "\"d" + std::to_string(i) + R"(":{"allOf":[)" + next;
    for (int copy = 0; copy < 5; ++copy) multiplying += "," + next;
    multiplying += "]},";
  }
  CHECK(refusal(multiplying + R"("d6":{}},"$ref":"#/definitions/d0"})").find("is too large") !=
        std::string::npos);
  std::string deep = "{}";
  for (int i = 0; i < 20; ++i) deep = R"({"not":)" + deep + "}";
  CHECK(refusal(deep).find("is nested deeper than 16 schemas") != std::string::npos);
  CHECK(refusal(R"x({"pattern":"(?=a*(?=a*b))"})x").find("is not supported") != std::string::npos);
  CHECK(refusal(R"({"pattern":"((a{100}){100}){100}"})").find("is too large") != std::string::npos);
  CHECK(refusal(R"({"pattern":")" + std::string(30'000, '(') + "\"}").find("is too large") !=
        std::string::npos);
  // Their parentheses are no group's, so the count repeats thirty characters.
  for (const char* const text : {R"([[:alpha:])])", R"([[.a.])])", R"(\\c))", R"([\\c])])"}) {
    const std::string repeated = "(" + std::string(30, 'a') + text + "){900}";
    CHECK_MESSAGE(refusal(R"({"pattern":")" + repeated + "\"}").find("is too large") != std::string::npos,
                  text);
  }
  CHECK(refusal(R"({"pattern":"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}$"})") == "");

  // Exponential for std::regex's usual way of matching, which also needs the stack for every character.
  const std::string many_as(matched_bytes_max, 'a');
  CHECK(problems_of_x(R"({"pattern":"^(a*)*b$"})", "\"" + many_as + "\"").size() == 1);
  CHECK(problems_of_x(R"({"pattern":"^a"})", "\"" + many_as + "aa\"") ==
        Lines{"config.x: has 1026 bytes; a text for this member's pattern has at most 1024"});
  const std::string any_way = "(" + std::string(120, 'a') + "|" + std::string(480, 'a') + ")*b";
  CHECK(problems_of_x(R"({"pattern":")" + any_way + "\"}", "\"" + many_as + "\"") ==
        Lines{"config.x: has 1024 bytes; a text for this member's pattern has at most 169"});
  CHECK(problems_of_x(R"({"pattern":")" + any_way + "\"}", "\"" + std::string(169, 'a') + "\"").size() == 1);
  std::string many_patterns = "{";
  for (int i = 0; i < 20; ++i) many_patterns += "\"" + std::to_string(i) + R"(":{"pattern":"a{900}"},)";
  CHECK(refusal(R"({"properties":)" + many_patterns + R"("x":{}}})") ==
        "config_schema: has too many and too large patterns");
  std::string numbers = "[0";
  for (int i = 1; i <= 1024; ++i) numbers += "," + std::to_string(i);
  CHECK(problems_of_x(R"({"uniqueItems":true})", numbers + "]") ==
        Lines{"config.x: has 1025 items; an array of different ones has at most 1024"});
}

TEST_CASE("a pattern that repeats a repetition is refused: its counts would multiply unseen") {
  for (const char* const pattern :
       {"(a?){9}{9}{9}{9}b", "a{2}{3}", "a**", "a*+", "a+{2}", "a{2}*", "a???", "[ab]{2}?{3}"})
    CHECK_MESSAGE(refusal(R"({"pattern":")" + std::string(pattern) + "\"}").find("repeats a repetition") !=
                      std::string::npos,
                  pattern);
  for (const char* const pattern :
       {"a??", "a*?b+?", "a{2}?", "(a{2}){3}", "((?:a*)*)+", "[*+?{]{2}", R"(\\*\\+\\?{2})"})
    CHECK_MESSAGE(refusal(R"({"pattern":")" + std::string(pattern) + "\"}") == "", pattern);
}

TEST_CASE("the largest chain of definitions that is allowed needs no more than the usual stack") {
  std::string text = R"({"definitions":{)";
  for (int i = 0; i < 8; ++i) {
    std::string schema =
        i < 7 ? R"({"$ref":"#/definitions/d)" + std::to_string(i + 1) + "\"}" : "{\"type\":\"null\"}";
    for (int level = 0; level < 12; ++level) schema = R"({"properties":{"a":)" + schema + "}}";
    text += (i > 0 ? ",\"d" : "\"d") + std::to_string(i) + "\":" + schema;
  }
  text += R"(},"properties":{"x":{"$ref":"#/definitions/d0"}}})";
  std::string config = "1";
  for (int level = 0; level < 60; ++level) config = R"({"a":)" + config + "}";
  CHECK(refusal(text) == "");
  CHECK(problems(text, R"({"x":)" + config + "}").empty());
}

TEST_CASE("a long list of problems is cut") {
  std::string config = "{\"a0\":1";
  for (int i = 1; i < 50; ++i) config += ",\"a" + std::to_string(i) + "\":1";
  const auto found = problems(R"({"additionalProperties":false})", config + "}");
  CHECK(found.size() == 21);
  CHECK(found.back() == "… and 30 more");
}

TEST_CASE("a config is a JSON object of bounded size and depth; the error names the plugin") {
  Manifest manifest;
  manifest.id = "vwap";
  manifest.version = "1.2.0";
  manifest.config_schema = trades_schema;
  CHECK(check_config(manifest, R"({"symbol":"A"})"));
  const auto refused = check_config(manifest, "{}");
  REQUIRE_FALSE(refused);
  CHECK(refused.error().kind == ErrorKind::usage);
  CHECK(refused.error().message == "the config does not fit plugin vwap 1.2.0");
  CHECK(refused.error().details == Lines{"config: member \"symbol\" is missing (what to watch)"});
  CHECK(check_config(manifest, "[]").error().message.find("must be a JSON object") != std::string::npos);
  CHECK(check_config(manifest, "{").error().message.find("is not JSON: ") != std::string::npos);
  manifest.config_schema = "{}";
  CHECK(check_config(manifest, R"({"a":)" + std::string(100'000, '[') + std::string(100'000, ']') + "}")
            .error()
            .message.find("nested deeper than 64 levels") != std::string::npos);
  CHECK(check_config(manifest, R"({"a":")" + std::string(300'000, 'a') + "\"}")
            .error()
            .message.find("256 KiB") != std::string::npos);
}

}  // namespace config_schema_test
}  // namespace perch::plugin
