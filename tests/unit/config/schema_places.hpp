// A config that uses every name, and where in it the objects of each kind lie by config/perch.schema.json.
// Tests that concern every field of the config go through these, so that a new field is among them by itself.
#pragma once

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace perch::test {

using Json = nlohmann::ordered_json;
using Pointer = Json::json_pointer;

inline Json read_schema() {
  std::ifstream stream(std::filesystem::path(PERCH_SOURCE_DIR) / "config/perch.schema.json");
  return Json::parse(stream);
}

/// An object of the config, and a name that it has or could have.
struct FieldPlace {
  std::string kind;  ///< of the object: "config", or its definition in the schema
  Pointer object;
  std::string name;
  Json schema;                   ///< of the value, references resolved
  bool has_kinds_below = false;  ///< in this config the value holds objects of a kind

  std::string id() const { return kind + "." + name; }
  Pointer pointer() const { return object / name; }
};

class SchemaPlaces {
 public:
  SchemaPlaces(const Json& schema, const Json& config) : schema_(schema) {
    walk_object("config", schema, Pointer(), config);
  }
  const std::vector<FieldPlace>& all() const { return places_; }

 private:
  /// The definition that a schema refers to, under its name; "" for a schema in place.
  std::pair<std::string, Json> resolve(const Json& node) const {
    if (!node.contains("$ref")) return {"", node};
    const auto name = node["$ref"].get<std::string>().substr(std::string("#/definitions/").size());
    Json definition = schema_["definitions"][name];
    definition["definition"] = name;
    if (node.contains("default")) definition["default"] = node["default"];
    return {name, definition};
  }

  void walk_object(const std::string& kind, const Json& definition, const Pointer& at, const Json& object) {
    for (const auto& [name, node] : definition["properties"].items()) {
      const std::size_t place = places_.size();
      places_.push_back({kind, at, name, resolve(node).second});
      if (object.contains(name)) walk(node, at / name, object[name]);
      for (std::size_t i = place + 1; i < places_.size(); ++i) places_[place].has_kinds_below = true;
    }
  }

  void walk(const Json& node, const Pointer& at, const Json& value) {
    const auto [name, schema] = resolve(node);
    if (schema.contains("properties")) {
      if (value.is_object()) walk_object(name, schema, at, value);
      return;
    }
    for (const char* choice : {"oneOf", "anyOf"}) {
      if (schema.contains(choice)) {
        for (const Json& one : schema[choice]) walk(one, at, value);
      }
    }
    if (value.is_array() && schema.contains("items")) {
      for (std::size_t i = 0; i < value.size(); ++i) walk(schema["items"], at / i, value[i]);
    }
    if (!value.is_object()) return;
    const Json members = schema.contains("patternProperties")      ? schema["patternProperties"].front()
                         : schema.contains("additionalProperties") ? schema["additionalProperties"]
                                                                   : Json();
    if (!members.is_object()) return;
    for (const auto& [member, inner] : value.items()) walk(members, at / member, inner);
  }

  const Json& schema_;
  std::vector<FieldPlace> places_;
};

inline const char* const config_with_every_kind = R"json({
  "host": { "log": {} }, "arena": {}, "commit": {},
  "tables": {
    "t": { "key": [ { "name": "k", "type": "char[8]" }, { "name": "n", "type": "uint64" } ],
           "value": [ { "name": "ts", "type": "timestamp_ns" }, { "name": "ts2", "type": "timestamp_ns" },
                      { "name": "v", "type": "float64" } ],
           "retain": { "rows": 5, "by": "n" } },
    "t2": { "key": [ { "name": "k", "type": "char[8]" }, { "name": "n", "type": "uint64" } ],
            "value": [ { "name": "ts", "type": "timestamp_ns" }, { "name": "ts2", "type": "timestamp_ns" },
                       { "name": "v", "type": "float64" } ],
            "retain": { "rows": 5, "age": "1h", "by": "ts" } },
    "r": { "rollup": { "of": "t", "group": [ "k", { "bucket": "ts", "every": "1m" } ],
                       "aggregate": { "c": "count()" } } }
  },
  "sources": [
    { "name": "exec", "type": "exec", "command": [ "perch-feed", "market" ], "table": "t" },
    { "name": "file", "type": "file", "path": "rows.csv", "format": "csv", "csv": { "columns": [ "k", "n" ], "header": true },
      "table": "t", "when": { "k": "a" }, "map": { "n": { "value": "sequence" } } },
    { "name": "stdin", "type": "stdin", "feeds": [
      { "table": "t", "map": { "v": { "from": "a.b" }, "ts": {} } }, { "table": "t2" } ] },
    { "name": "tcp", "type": "tcp", "listen": "127.0.0.1:4000", "table": "t",
      "map": { "ts": { "format": "%F", "zone": "Europe/Berlin" } } },
    { "name": "unix", "type": "unix", "listen": "unix.sock", "table": "t2" }
  ],
  "readers": { "folder": "plugins", "sandbox": {}, "trial": {}, "restart": {},
               "instances": [ { "name": "a", "plugin": "p" }, { "name": "b", "plugin": "p" } ] },
  "control": {}
})json";

}  // namespace perch::test
