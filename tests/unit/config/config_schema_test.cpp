// config/perch.schema.json, the reader and the shipped configs say the same.
#include <set>
#include <sstream>
#include <valijson/adapters/nlohmann_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validator.hpp>

#include "config/differences.hpp"
#include "config/names.hpp"
#include "config_fixture.hpp"
#include "schema_places.hpp"

namespace config_schema_test {

const std::filesystem::path config_folder = std::filesystem::path(PERCH_SOURCE_DIR) / "config";

nlohmann::json read_json(const std::filesystem::path& file) {
  std::ifstream stream(file);
  return nlohmann::json::parse(stream);
}

class Validator {
 public:
  Validator() {
    valijson::SchemaParser parser;
    parser.populateSchema(valijson::adapters::NlohmannJsonAdapter(document_), schema_);
  }
  bool accepts(const nlohmann::json& config) {
    valijson::Validator validator;
    return validator.validate(schema_, valijson::adapters::NlohmannJsonAdapter(config), nullptr);
  }
  const nlohmann::json& document() const { return document_; }

 private:
  const nlohmann::json document_ = read_json(config_folder / "perch.schema.json");
  valijson::Schema schema_;
};

TEST_CASE("the schema's names are the reader's names") {
  const Validator validator;
  const auto& schema = validator.document();
  for (const auto& [kind, names] : perch::config_names()) {
    CAPTURE(kind);
    const auto& object = kind == "config" ? schema : schema["definitions"][kind];
    CHECK(object["additionalProperties"] == false);
    std::set<std::string> in_schema;
    for (const auto& [name, ignored] : object["properties"].items()) in_schema.insert(name);
    CHECK(in_schema == std::set<std::string>(names.begin(), names.end()));
  }
  for (const auto& [kind, definition] : schema["definitions"].items()) {
    if (definition["type"] == "object" && definition.contains("properties"))
      CHECK_MESSAGE(perch::config_names().contains(kind), kind);
  }
}

/// What the reader says of a value of another type: with the bounds and choices that the schema has. "": the
/// schema tells too little.
std::string complaint(const nlohmann::ordered_json& schema) {
  const std::string definition = schema.value("definition", "");
  const std::string type = schema.value("type", "");
  if (definition == "duration") return "must be a duration such as \"5ms\"";
  if (definition == "size") return "must be a size such as \"4GiB\"";
  if (type == "boolean") return "must be true or false";
  if (type == "integer")
    return "must be a whole number from " + schema["minimum"].dump() + " to " + schema["maximum"].dump();
  return type == "array" ? "must be an array" : type == "object" ? "must be an object" : "";
}

TEST_CASE_FIXTURE(ConfigFixture, "the schema's types, bounds, choices and defaults are the reader's") {
  using perch::test::Json;
  write("rows.csv", "");
  const Json schema = perch::test::read_schema();
  const Json base = Json::parse(perch::test::config_with_every_kind);
  std::set<std::string> unlike;  // until some place of that kind shows that they are alike
  std::set<std::string> alike;
  const auto note = [&](const std::string& what, bool is_alike) { (is_alike ? alike : unlike).insert(what); };
  const perch::test::SchemaPlaces places(schema, base);
  for (const auto& field : places.all()) {
    Json json = base;
    if (const std::string expected = complaint(field.schema); !expected.empty()) {
      json[field.pointer()] = -1.5;
      note(field.id() + ": " + expected,
           problem(json.dump()).find(expected + ", not -1.5") != std::string::npos);
    }
    if (field.schema.contains("enum")) {
      json[field.pointer()] = "?";
      const std::string told = problem(json.dump());
      const std::size_t list = told.find("(valid: ");
      std::istringstream words(list == std::string::npos ? "" : told.substr(list + 8));
      std::set<std::string> choices;
      for (std::string word; words >> word;) choices.insert(word.substr(0, word.find_first_of(",)")));
      note(field.id() + " choices", choices == field.schema["enum"].get<std::set<std::string>>());
    }
    if (field.schema.contains("default") && !base.contains(field.pointer())) {
      json[field.pointer()] = field.schema["default"];
      const auto with = read(json.dump());
      const auto without = read(base.dump());
      REQUIRE(without.has_value());
      note(field.id() + " default", with && perch::config_differences(*without, *with).empty());
    }
  }
  CHECK(alike.size() > 70);
  for (const std::string& what : unlike) CHECK_MESSAGE(alike.contains(what), what);
}

TEST_CASE_FIXTURE(ConfigFixture, "the shipped configs are good for the schema and for the reader") {
  Validator validator;
  int configs = 0;
  for (const auto& entry : std::filesystem::directory_iterator(config_folder)) {
    if (entry.path().extension() != ".json" || entry.path().filename() == "perch.schema.json") continue;
    CAPTURE(entry.path().string());
    CHECK(validator.accepts(read_json(entry.path())));
    const auto config = perch::read_config(entry.path(), folder / "bin");
    CHECK_MESSAGE(config.has_value(), config.error().message);
    ++configs;
  }
  CHECK(configs >= 2);
}

TEST_CASE_FIXTURE(ConfigFixture, "schema and reader agree on what is bad") {
  Validator validator;
  REQUIRE(validator.accepts(nlohmann::json::parse(valid)));
  for (
      const char* patch : {
          R"({"hosts": {}})",
          R"({"host": {"log": {"level": "loud"}}})",
          R"({"arena": {"size": 5}})",
          R"({"commit": {"max_rows": 0}})",
          R"({"commit": {"max_delay": "soon"}})",
          R"({"tables": null})",
          R"({"tables": {"trades": {"rollup": {}}}})",
          R"json({"tables": {"t": {"rollup": {"of": "trades", "group": [], "aggregate": {"n": "count()"}}}}})json",
          R"({"tables": {"t": {"rollup": {"of": "trades", "group": ["symbol"], "aggregate": {"n": "count"}}}}})",
          R"json({"tables": {"t": {"rollup": {"of": "trades", "group": [{"bucket": "ts"}], "aggregate": {"n": "count()"}}}}})json",
          R"({"tables": {"trades": {"retain": {"per": ["symbol"]}}}})",
          R"({"tables": {"trades": {"retain": {"age": null, "per": []}}}})",
          R"({"tables": {"trades": {"key": [{"name": "a", "type": "uint64[2]x"}]}}})",
          R"({"tables": {"trades": {"retain": {"rows": null, "age": null}}}})",
          R"({"tables": {"trades": {"retain": {"by": null}}}})",
          R"({"sources": [{"name": "s", "type": "exec", "table": "trades"}]})",
          R"({"sources": [{"name": "s", "type": "stdin", "table": "trades", "path": "x"}]})",
          R"({"sources": [{"name": "s", "type": "tcp", "table": "trades"}]})",
          R"({"readers": {"folder": null}})",
          R"({"readers": {"isolation": "fork"}})",
          R"({"readers": {"sandbox": {"files": 1}}})",
          R"({"readers": {"trial": {"time": "2m", "steps": -1}}})",
          R"({"control": {"mode": "rw"}})",
      }) {
    CAPTURE(patch);
    auto json = nlohmann::json::parse(valid);
    json.merge_patch(nlohmann::json::parse(patch));
    CHECK_FALSE(validator.accepts(json));
    CHECK(problem(json.dump()) != "");
  }
}

}  // namespace config_schema_test
