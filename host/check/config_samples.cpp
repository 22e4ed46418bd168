#include "check/config_samples.hpp"

#include <algorithm>
#include <regex>

#include "base/text.hpp"
#include "plugin/config_schema.hpp"

namespace perch::check {
namespace {

constexpr int depth_max = 6;
constexpr std::size_t values_max = 24;  // of one member
constexpr std::size_t items_max = 32;

struct Value {
  Json json;
  std::string what;
  bool is_recommended = false;
};
using Choices = std::vector<Value>;

Choices values_of(const Json& schema, const Json& root, SampleValues& random, int depth);

/// What "$ref": "#/…" leads to; the schema itself when it has none.
const Json& resolved(const Json& schema, const Json& root) {
  if (!schema.is_object() || !schema.contains("$ref") || !schema["$ref"].is_string()) return schema;
  const auto reference = schema["$ref"].get<std::string>();
  if (!reference.starts_with("#")) return schema;
  const auto pointer = Json::json_pointer(reference.substr(1));
  return root.contains(pointer) ? root.at(pointer) : schema;
}

/// A number of the schema, or `otherwise`.
double number_of(const Json& schema, const char* name, double otherwise) {
  return schema.contains(name) && schema[name].is_number() ? schema[name].get<double>() : otherwise;
}

std::string type_of(const Json& schema) {
  const Json type = schema.value("type", Json());
  if (type.is_string()) return type;
  if (type.is_array() && !type.empty() && type[0].is_string()) return type[0];
  if (schema.contains("properties")) return "object";
  if (schema.contains("items")) return "array";
  return {};
}

void add_integers(const Json& schema, Choices& values) {
  const bool has_least = schema.contains("minimum");
  const bool has_most = schema.contains("maximum");
  // As they stand: a uint64's maximum is no double.
  if (has_least) values.push_back({schema["minimum"], "the smallest"});
  if (has_most) values.push_back({schema["maximum"], "the largest"});
  for (const std::int64_t number :
       {std::int64_t{0}, std::int64_t{1}, std::int64_t{-1}, INT64_MAX, INT64_MIN, std::int64_t{1} << 32}) {
    const auto real = static_cast<double>(number);
    if (real >= number_of(schema, "minimum", real) && real <= number_of(schema, "maximum", real)) {
      values.push_back({number, "the integer " + std::to_string(number)});
    }
  }
  if (!has_most) values.push_back({UINT64_MAX, "a uint64's largest"});
}

void add_numbers(const Json& schema, Choices& values) {
  const double least = number_of(schema, "minimum", -1.7e308);
  const double most = number_of(schema, "maximum", 1.7e308);
  values.push_back({least, "the smallest"});
  values.push_back({most, "the largest"});
  for (const double number : {0.0, -0.0, 1.0, -1.0, 0.5, 5e-324, 1e300}) {
    if (number >= least && number <= most) values.push_back({number, "the number " + Json(number).dump()});
  }
  if (least <= 0 && most >= 1) values.push_back({1, "a whole number"});
}

void add_texts(const Json& schema, SampleValues& random, Choices& values) {
  const auto least = static_cast<std::size_t>(std::max(0.0, number_of(schema, "minLength", 0)));
  const auto most = static_cast<std::size_t>(std::min(4096.0, number_of(schema, "maxLength", 4096)));
  std::vector<std::string> texts{"",
                                 "a",
                                 "0",
                                 "1ms",
                                 "250ms",
                                 "10s",
                                 "1.5m",
                                 "1h",
                                 "100000000000d",
                                 "-1s",
                                 "1",
                                 "x.y",
                                 "name",
                                 "Ünïcödé €",
                                 "\xf0\x9f\xa6\x85",
                                 "\"\\/\b",
                                 std::string("nul\0here", 8),
                                 "../../etc/passwd",
                                 "%s%n",
                                 "1e999",
                                 "null"};
  texts.push_back(std::string(std::max<std::size_t>(least, 1), 'm'));
  texts.push_back(std::string(most, 'M'));
  texts.push_back(random.text(std::min<std::size_t>(most, 64)));
  std::optional<std::regex> pattern;
  if (schema.contains("pattern") && schema["pattern"].is_string()) {
    try {
      pattern.emplace(schema["pattern"].get<std::string>(), std::regex::ECMAScript);
    } catch (const std::regex_error&) {
      return;  // a pattern that this cannot read: the default and the examples must do
    }
  }
  for (const std::string& text : texts) {
    const std::size_t count = characters_in(text);
    if (count < least || count > most || (pattern && !std::regex_search(text, *pattern))) continue;
    values.push_back(
        {text, "the text " + Json(text.substr(0, 24)).dump(-1, ' ', true, Json::error_handler_t::replace)});
  }
}

void add_arrays(const Json& schema, const Json& root, SampleValues& random, int depth, Choices& values) {
  const auto least =
      static_cast<std::size_t>(std::clamp(number_of(schema, "minItems", 0), 0.0, double{items_max}));
  const auto most =
      static_cast<std::size_t>(std::clamp(number_of(schema, "maxItems", 3), 0.0, double{items_max}));
  const Choices items = values_of(schema.value("items", Json::object()), root, random, depth + 1);
  if (least == 0) values.push_back({Json::array(), "no items"});
  if (items.empty()) return;
  Json all = Json::array();
  for (std::size_t i = 0; i < std::max(least, most); ++i) all.push_back(items[i % items.size()].json);
  values.push_back({all, "the most items"});
  Json few = Json::array();
  for (std::size_t i = 0; i < std::max<std::size_t>(least, 1) && i < std::max(least, most); ++i) {
    few.push_back(items.back().json);
  }
  values.push_back({few, "the fewest items"});
}

/// An object in which `name` has `value`, and of the other members those that are required.
Json object_with(const Json& base, const std::string& name, const Json& value) {
  Json object = base;
  object[name] = value;
  return object;
}

Json least_object(const Json& schema, const Json& root, SampleValues& random, int depth) {
  Json object = Json::object();
  if (!schema.contains("required") || !schema["required"].is_array()) return object;
  for (const Json& name : schema["required"]) {
    if (!name.is_string()) continue;
    const Json properties = schema.value("properties", Json::object());
    const Choices values =
        values_of(properties.value(name.get<std::string>(), Json::object()), root, random, depth + 1);
    object[name.get<std::string>()] = values.empty() ? Json() : values.front().json;
  }
  return object;
}

void add_objects(const Json& schema, const Json& root, SampleValues& random, int depth, Choices& values) {
  const Json least = least_object(schema, root, random, depth);
  values.push_back({least, "the required members alone"});
  const Json properties = schema.value("properties", Json::object());
  Json whole = least;
  if (properties.is_object()) {
    for (const auto& [name, member] : properties.items()) {
      const Choices choices = values_of(member, root, random, depth + 1);
      if (!choices.empty()) whole[name] = choices.front().json;
      for (const Value& choice : choices) {
        const std::string what = "\"" + name + "\": " + choice.what;
        values.push_back({object_with(least, name, choice.json), what, choice.is_recommended});
      }
    }
  }
  values.push_back({whole, "all members"});
  if (schema.value("additionalProperties", Json(true)) != Json(false)) {
    values.push_back(
        {object_with(whole, "perch_check", "what is this?"), "a member that the schema does not name"});
    values.push_back({object_with(whole, "", Json::array()), "a member without a name"});
  }
}

/// A few values of every type, for a schema that names none.
void add_anything(Choices& values) {
  for (const Json& json : {Json(), Json(true), Json(0), Json(-1), Json(1e300), Json(""), Json("text"),
                           Json::array(), Json::object()}) {
    values.push_back({json, json.dump()});
  }
}

void add_named(const Json& schema, Choices& values) {
  if (schema.contains("default")) values.push_back({schema["default"], "its default", true});
  if (schema.contains("const")) values.push_back({schema["const"], "its only value", true});
  const Json examples = schema.value("examples", Json::array());
  if (examples.is_array()) {
    for (const Json& example : examples) values.push_back({example, "the example " + example.dump(), true});
  }
  const Json choices = schema.value("enum", Json::array());
  if (choices.is_array()) {
    for (const Json& choice : choices) values.push_back({choice, "the choice " + choice.dump(), true});
  }
}

/// The first ones are the most ordinary.
Choices values_of(const Json& given, const Json& root, SampleValues& random, int depth) {
  const Json& schema = resolved(given, root);
  Choices values;
  if (!schema.is_object() || depth > depth_max) return values;
  add_named(schema, values);
  if (schema.contains("enum") || schema.contains("const")) return values;
  for (const char* const name : {"anyOf", "oneOf", "allOf"}) {
    if (!schema.contains(name) || !schema[name].is_array()) continue;
    for (const Json& part : schema[name]) {
      const Choices more = values_of(part, root, random, depth + 1);
      values.insert(values.end(), more.begin(), more.end());
    }
  }
  const std::string type = type_of(schema);
  if (type == "boolean") values.insert(values.end(), {{true, "true"}, {false, "false"}});
  if (type == "integer") add_integers(schema, values);
  if (type == "number") add_numbers(schema, values);
  if (type == "string") add_texts(schema, random, values);
  if (type == "array") add_arrays(schema, root, random, depth, values);
  if (type == "object") add_objects(schema, root, random, depth, values);
  if (type == "null") values.push_back({Json(), "null"});
  if (type.empty() && values.empty()) add_anything(values);
  if (depth > 0 && values.size() > values_max) values.resize(values_max);
  return values;
}

/// Texts of the same object, which no JSON library would write.
void add_odd_texts(std::vector<SampleConfig>& configs) {
  const std::string plain = configs.front().json;
  const std::string inside = plain.substr(1, plain.size() - 2);
  configs.push_back({" \t\r\n" + plain + "\n", "white space around it"});
  configs.push_back({"{ " + inside + " }", "white space within it"});
}

/// A schema without "type" is for the config all the same.
Json object_schema(const plugin::Manifest& manifest) {
  Json schema = Json::parse(manifest.config_schema);
  if (!schema.contains("type")) schema["type"] = "object";
  return schema;
}

}  // namespace

std::string least_config(const plugin::Manifest& manifest) {
  const Json schema = object_schema(manifest);
  SampleValues random(0);
  return least_object(resolved(schema, schema), schema, random, 0)
      .dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::vector<SampleConfig> sample_configs(const plugin::Manifest& manifest, SampleValues& random) {
  const Json schema = object_schema(manifest);
  std::vector<SampleConfig> configs;
  for (const Value& value : values_of(schema, schema, random, 0)) {
    if (!value.json.is_object()) continue;
    configs.push_back(
        {value.json.dump(-1, ' ', false, Json::error_handler_t::replace), value.what, value.is_recommended});
  }
  if (!configs.empty()) add_odd_texts(configs);
  std::erase_if(configs,
                [&](const SampleConfig& config) { return !plugin::check_config(manifest, config.json); });
  return configs;
}

}  // namespace perch::check
