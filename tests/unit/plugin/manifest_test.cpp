#include "plugin/manifest.hpp"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

namespace perch::plugin {
namespace manifest_test {

using Json = nlohmann::json;

Json good_manifest() {
  return Json::parse(R"({"abi":1,"id":"vwap","version":"1.2.0","state":{"version":2,"oldest":1},
    "tables":[{"name":"trades","key":"{id:uint64@0}8:8","value":"{price:float64@0;size:float64@8}16:8"}],
    "config_schema":{"type":"object"}})");
}

/// The message of the refusal; "" when it was taken.
std::string refusal(const Json& manifest) {
  const auto parsed = parse_manifest(manifest.dump());
  return parsed ? "" : parsed.error().message;
}

std::string refusal_with(const char* pointer, const Json& value) {
  Json manifest = good_manifest();
  manifest[Json::json_pointer(pointer)] = value;
  return refusal(manifest);
}

bool has(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }

TEST_CASE("a good manifest is read whole") {
  const std::string text = good_manifest().dump();
  const auto manifest = parse_manifest(text);
  REQUIRE(manifest);
  CHECK(manifest->abi == 1);
  CHECK(manifest->id == "vwap");
  CHECK(manifest->version == "1.2.0");
  CHECK(manifest->state_version == 2);
  CHECK(manifest->state_oldest == 1);
  REQUIRE(manifest->tables.size() == 1);
  CHECK(manifest->tables[0].value_layout == "{price:float64@0;size:float64@8}16:8");
  CHECK(manifest->config_schema == R"({"type":"object"})");
  CHECK(manifest->text == text);
}

TEST_CASE("ids and versions are checked") {
  for (const char* id : {"", "Vwap", "1vwap", "a b", "vwap/..", "ä"})
    CHECK(has(refusal_with("/id", id), "\"id\""));
  CHECK(has(refusal_with("/id", std::string(65, 'a')), "\"id\""));
  CHECK(refusal_with("/id", std::string(64, 'a')).empty());
  for (const char* version : {"", "1", "1.2", "v1.2.3", "1.2.3.4", "01.2.3", "1.2.3-", "1.2.3 ", "1.2.3-a..b",
                              "1.2.3+", "1.2.3-a+b+c", "1.2.3-.a", "1.2.3456789012"}) {
    CHECK(has(refusal_with("/version", version), "\"version\""));
  }
  for (const char* version :
       {"0.0.1", "10.20.30", "1.2.3-rc.1", "1.2.3+build.7", "1.2.3-a+b", "1.2.3--", "1.2.3-0-1.x"}) {
    CHECK(refusal_with("/version", version).empty());
  }
}

TEST_CASE("another interface version says which side is newer") {
  CHECK(has(refusal_with("/abi", 2), "newer than this host"));
  CHECK(has(refusal_with("/abi", 0), "older than this host"));
  CHECK(has(refusal_with("/abi", "1"), "abi"));
  CHECK(has(refusal_with("/abi", -1), "abi"));
}

TEST_CASE("state versions must make a range") {
  CHECK(has(refusal_with("/state/oldest", 3), "\"state\""));
  CHECK(has(refusal_with("/state/oldest", 0), "\"state\""));
  CHECK(has(refusal_with("/state/version", 1.5), "version"));
}

TEST_CASE("layouts must be canonical and their hashes true") {
  CHECK(has(refusal_with("/tables/0/key", "{id:uint64@0}16:8"), "key layout"));
  CHECK(has(refusal_with("/tables/0/value", "{price:float64@4}16:8"), "value layout"));
  CHECK(has(refusal_with("/tables/0/value", "rubbish"), "value layout"));
  CHECK(has(refusal_with("/tables/0/key_hash", "0000000000000000"), "key_hash"));
  const auto layout = tables::Layout::parse("{id:uint64@0}8:8");
  REQUIRE(layout);
  CHECK(refusal_with("/tables/0/key_hash", layout->hash_hex()).empty());
}

TEST_CASE("tables are named once, and not without bound") {
  Json twice = good_manifest();
  twice["tables"].push_back(twice["tables"][0]);
  CHECK(has(refusal(twice), "twice"));
  CHECK(has(refusal_with("/tables/0/name", ""), "names a table"));
  CHECK(has(refusal_with("/tables", 7), "tables"));
  Json many = good_manifest();
  for (int i = 0; i < 300; ++i) many["tables"].push_back(many["tables"][0]);
  CHECK(has(refusal(many), "256"));
}

TEST_CASE("how much of the interface it was built with is a number of bytes, or not said") {
  CHECK_FALSE(parse_manifest(good_manifest().dump())->host_size);
  Json manifest = good_manifest();
  manifest["host_size"] = 176;
  CHECK(parse_manifest(manifest.dump())->host_size == 176);
  for (const Json& wrong : {Json(0), Json(-1), Json("176"), Json(1.5)}) {
    CHECK(has(refusal_with("/host_size", wrong), "\"host_size\""));
  }
}

TEST_CASE("names that no table can have, and members that are there twice, are refused") {
  for (const char* name : {"trades ", "a\nb", "\x1b[2J", "1st", "träde"})
    CHECK(has(refusal_with("/tables/0/name", name), "whose name none can have"));
  CHECK(has(parse_manifest(R"({"abi":1,"abi":2})").error().message, "has \"abi\" twice"));
}

TEST_CASE("a missing member is named") {
  for (const char* member : {"abi", "id", "version", "tables"}) {
    Json manifest = good_manifest();
    manifest.erase(member);
    CHECK(has(refusal(manifest), member));
  }
}

TEST_CASE("texts that are no manifest are refused") {
  for (const char* text : {"", "{", "[]", "null", "{\"abi\":1} x", "{\"abi\":1,\"id\":\"\xff\"}"}) {
    CHECK_FALSE(parse_manifest(text));
  }
  CHECK_FALSE(parse_manifest(std::string(70'000, ' ')));
  for (const int depth : {63, 30'000}) {  // within the manifest's own object
    std::string deep = good_manifest().dump();
    const std::string schema = R"({"type":"object"})";
    const std::string brackets = std::string(depth - 1, '[') + std::string(depth - 1, ']');
    deep.replace(deep.find(schema), schema.size(), R"({"x-\"[[":)" + brackets + "}");
    const auto parsed = parse_manifest(deep);
    if (depth > 64) CHECK(has(parsed.error().message, "nested"));
    if (depth < 64) CHECK(parsed.has_value());
  }
}

TEST_CASE("a manifest with any one byte changed is read or refused, never worse") {
  const std::string text = good_manifest().dump();
  for (std::size_t at = 0; at < text.size(); ++at) {
    for (const char c : {'\0', '"', '{', '}', '9', '\x80', '\\'}) {
      std::string changed = text;
      changed[at] = c;
      const auto parsed = parse_manifest(changed);
      if (parsed) CHECK(parsed->text == changed);
    }
    CHECK_FALSE(parse_manifest(text.substr(0, at)));
  }
}

}  // namespace manifest_test
}  // namespace perch::plugin
