// Configs are judged as another implementation of JSON Schema judges them: random schemas of every keyword,
// random configs.
//
// Left out is where valijson is wrong: whole numbers over 2^53 (it compares them as double, or wraps them), a
// multiple of a whole number that is not whole itself (it cuts 2.5 to 2), texts with a NUL (it ends them
// there). config_schema_test.cpp has those.
#include <doctest/doctest.h>

#include <array>
#include <map>
#include <random>
#include <valijson/adapters/nlohmann_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validator.hpp>

#include "plugin/config_schema.hpp"

namespace perch::plugin {
namespace schema_oracle_test {

using Json = nlohmann::json;

bool oracle_accepts(const Json& schema, const Json& config) {
  using Adapter = valijson::adapters::NlohmannJsonAdapter;
  valijson::Schema parsed;
  valijson::SchemaParser(valijson::SchemaParser::kDraft7).populateSchema(Adapter(schema), parsed);
  return valijson::Validator().validate(parsed, Adapter(config), nullptr);
}

/// Small worlds, so that schemas and values meet: four names, few numbers and texts.
class Generator {
 public:
  explicit Generator(unsigned seed) : random_(seed) {}

  Json value(int levels) {
    switch (below(levels > 0 ? 7 : 5)) {
      case 0:
        return nullptr;
      case 1:
        return below(2) == 0;
      case 2:
        return whole_number();
      case 3:
        return number();
      case 4:
        return text();
      case 5:
        return array_of(0, 3, [&] { return value(levels - 1); });
      default: {
        Json object = Json::object();
        for (std::size_t count = below(4); count > 0; --count) object[name()] = value(levels - 1);
        return object;
      }
    }
  }

  /// One that has `keyword`, and others.
  Json schema(const std::string& keyword, int levels) {
    Json schema = Json::object();
    add(schema, keyword, levels);
    for (std::size_t more = below(3); more > 0; --more) add(schema, any_keyword(), levels);
    return schema;
  }

  /// Its definitions: one that refers to itself, and one without references.
  Json root(const std::string& keyword) {
    can_refer_ = false;
    Json leaf = schema(any_keyword(), 1);
    can_refer_ = true;
    Json tree{{"properties", {{"a", {{"$ref", "#/definitions/tree"}}}}},
              {"additionalProperties", schema(any_keyword(), 1)}};
    Json root = schema(keyword, 2);
    root["definitions"] = {{"tree", std::move(tree)}, {"leaf", std::move(leaf)}};
    return root;
  }

  static constexpr auto keywords = std::to_array<const char*>({"$ref",
                                                               "additionalItems",
                                                               "additionalProperties",
                                                               "allOf",
                                                               "anyOf",
                                                               "const",
                                                               "contains",
                                                               "dependencies",
                                                               "enum",
                                                               "exclusiveMaximum",
                                                               "exclusiveMinimum",
                                                               "if",
                                                               "items",
                                                               "maxItems",
                                                               "maxLength",
                                                               "maxProperties",
                                                               "maximum",
                                                               "minItems",
                                                               "minLength",
                                                               "minProperties",
                                                               "minimum",
                                                               "multipleOf",
                                                               "not",
                                                               "oneOf",
                                                               "pattern",
                                                               "properties",
                                                               "propertyNames",
                                                               "required",
                                                               "type",
                                                               "uniqueItems"});

 private:
  std::size_t below(std::size_t count) { return random_() % count; }
  template <class List>
  auto one_of(const List& list) {
    return list[below(std::size(list))];
  }
  template <class Make>
  Json array_of(std::size_t least, std::size_t most, Make&& make) {
    Json array = Json::array();
    for (std::size_t count = least + below(most - least + 1); count > 0; --count) array.push_back(make());
    return array;
  }

  std::string any_keyword() { return one_of(keywords); }
  std::string name() { return std::string(1, static_cast<char>('a' + below(4))); }
  Json whole_number() {
    static constexpr std::int64_t numbers[] = {
        -7, -2, -1, 0, 1, 2, 3, 4, 6, 10'000'000'001, 9'007'199'254'740'991};
    return one_of(numbers);
  }
  Json number() {
    static constexpr double numbers[] = {-1.5, -0.0, 0.1, 0.3, 0.5, 1.0, 1.5, 2.0, 3.0, 1e300};
    return one_of(numbers);
  }
  Json any_number() { return below(2) == 0 ? whole_number() : number(); }
  Json text() {
    static constexpr const char* texts[] = {"", "a", "b", "ab", "aab", "é", "aé", "12", "5m", "日本"};
    return one_of(texts);
  }
  Json type() {
    static constexpr const char* types[] = {"array",  "boolean", "integer", "null",
                                            "number", "object",  "string"};
    return one_of(types);
  }
  Json count() { return below(4); }
  Json any_schema(int levels) {
    if (levels == 0 || below(8) == 0) return below(4) != 0;
    return schema(any_keyword(), levels - 1);
  }
  Json schemas(int levels) {
    return array_of(1, 3, [&] { return any_schema(levels); });
  }
  Json names() {
    return array_of(0, 2, [&] { return Json(name()); });
  }
  Json by_name(int levels, bool or_names) {
    Json map = Json::object();
    for (std::size_t count = below(4); count > 0; --count)
      map[name()] = or_names && below(2) == 0 ? names() : any_schema(levels);
    return map;
  }

  void add(Json& schema, const std::string& keyword, int levels) {
    const auto is = [&](auto... names) { return ((keyword == names) || ...); };
    Json& member = schema[keyword];
    if (is("$ref")) {
      // The tree refers to itself from its members only, so no reference leads in a circle.
      if (!can_refer_)
        schema.erase(keyword);
      else
        member = below(2) == 0 ? "#/definitions/tree" : "#/definitions/leaf";
    } else if (is("allOf", "anyOf", "oneOf")) {
      member = schemas(levels);
    } else if (is("additionalProperties", "contains", "not", "propertyNames")) {
      member = any_schema(levels);
    } else if (is("additionalItems")) {
      member = any_schema(levels);
      schema["items"] = schemas(levels);
    } else if (is("items")) {
      member = below(2) == 0 ? schemas(levels) : any_schema(levels);
    } else if (is("if")) {
      member = any_schema(levels);
      if (below(4) != 0) schema["then"] = any_schema(levels);
      if (below(4) != 0) schema["else"] = any_schema(levels);
    } else if (is("properties", "dependencies")) {
      member = by_name(levels, is("dependencies"));
    } else if (is("const")) {
      member = value(2);
    } else if (is("enum")) {
      member = array_of(1, 4, [&] { return value(2); });
    } else if (is("required")) {
      member = names();
    } else if (is("type")) {
      member = below(2) == 0 ? type() : array_of(1, 3, [&] { return type(); });
    } else if (is("uniqueItems")) {
      member = below(4) != 0;
    } else if (is("pattern")) {
      static constexpr const char* patterns[] = {"^a", "b$", "^(a|b)*$", "^[0-9]+(m|s)?$", ".", "^$", "a{2}"};
      member = one_of(patterns);
    } else if (is("multipleOf")) {
      static constexpr double fractions[] = {0.25, 0.5, 1.0, 2.0};
      static constexpr int wholes[] = {1, 2, 3, 7};
      member = below(2) == 0 ? Json(one_of(fractions)) : Json(one_of(wholes));
      if (member.is_number_integer()) schema["type"] = "integer";
    } else if (is("maximum", "minimum", "exclusiveMaximum", "exclusiveMinimum")) {
      member = any_number();
    } else {
      member = count();
    }
  }

  std::mt19937 random_;
  bool can_refer_ = true;
};

TEST_CASE("schema oracle: ten thousand random schemas and configs are judged as valijson judges them") {
  constexpr std::size_t pairs = 10'000;
  Generator generate(20'261'201);
  struct Seen {
    int accepted = 0, rejected = 0;
  };
  std::map<std::string, Seen> seen;
  for (std::size_t i = 0; i < pairs; ++i) {
    const std::string keyword = Generator::keywords[i % Generator::keywords.size()];
    const Json schema = generate.root(keyword);
    const Json config = generate.value(3);
    CAPTURE(i);
    CAPTURE(schema.dump());
    CAPTURE(config.dump());
    const auto ours = ConfigSchema::parse(schema.dump());
    REQUIRE_MESSAGE(ours.has_value(), (ours ? "" : ours.error().message));
    const auto problems = ours->problems(config);
    const bool accepted = oracle_accepts(schema, config);
    CHECK_MESSAGE(problems.empty() == accepted, (problems.empty() ? "no problems" : problems.front()));
    ++(accepted ? seen[keyword].accepted : seen[keyword].rejected);
  }
  for (const auto& [keyword, verdicts] : seen) {
    CAPTURE(keyword);
    CHECK(verdicts.accepted > 0);
    CHECK(verdicts.rejected > 0);
  }
}

}  // namespace schema_oracle_test
}  // namespace perch::plugin
