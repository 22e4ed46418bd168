// table.get and table.scan, judged by a std::map.
#include <map>
#include <random>
#include <set>

#include "host_fixture.hpp"

using namespace perch::control::testing;

namespace rows_test {

using Key = std::pair<std::string, std::int64_t>;

const std::vector<std::string> names{"", "A", "AA", "B", "zzzz"};

std::map<Key, json> model_rows() {
  std::mt19937_64 random(3);
  std::map<Key, json> rows;
  for (int i = 0; i < 600; ++i) {
    const Key key{names[random() % names.size()], static_cast<std::int64_t>(random() % 200) - 100};
    rows[key] = {
        {"name", key.first}, {"n", key.second}, {"x", static_cast<double>(i) / 8}, {"big", random()}};
  }
  return rows;
}

std::string as_lines(const std::map<Key, json>& rows) {
  std::string lines;
  for (const auto& [key, row] : rows) lines += row.dump() + "\n";
  return lines;
}

/// A random bound: no field, the name, or name and number.
json random_bound(std::mt19937_64& random, int fields) {
  json bound = json::object();
  if (fields > 0) bound["name"] = names[random() % names.size()];
  if (fields > 1) bound["n"] = static_cast<std::int64_t>(random() % 210) - 105;
  return bound;
}

/// −1, 0, 1: the key before, within, behind all keys that begin with `bound`.
int compare(const Key& key, const json& bound) {
  if (!bound.contains("name")) return 0;
  if (key.first != bound["name"]) return key.first < bound["name"].get<std::string>() ? -1 : 1;
  if (!bound.contains("n")) return 0;
  const auto n = bound["n"].get<std::int64_t>();
  return key.second < n ? -1 : key.second > n ? 1 : 0;
}

bool is_wanted(const Key& key, const json& params) {
  if (params.contains("from") && !params["from"].empty()) {
    const int order = compare(key, params["from"]);
    if (order < 0 || (order == 0 && params.value("from_exclusive", false))) return false;
  }
  if (params.contains("to") && !params["to"].empty()) {
    const int order = compare(key, params["to"]);
    if (order > 0 || (order == 0 && params.value("to_exclusive", false))) return false;
  }
  return !params.contains("prefix") || compare(key, params["prefix"]) == 0;
}

json random_scan(std::mt19937_64& random) {
  json params{{"table", "rows"}, {"limit", 10'000}, {"reverse", random() % 2 == 0}};
  if (random() % 2) params["from"] = random_bound(random, static_cast<int>(random() % 3));
  if (random() % 2) params["to"] = random_bound(random, static_cast<int>(random() % 3));
  if (random() % 4 == 0) params["prefix"] = random_bound(random, static_cast<int>(random() % 3));
  if (random() % 2) params["from_exclusive"] = random() % 2 == 0;
  if (random() % 2) params["to_exclusive"] = random() % 2 == 0;
  return params;
}

std::vector<json> expected_rows(const std::map<Key, json>& rows, const json& params) {
  std::vector<json> expected;
  for (const auto& [key, row] : rows) {
    if (is_wanted(key, params)) expected.push_back(row);
  }
  if (params["reverse"]) std::reverse(expected.begin(), expected.end());
  return expected;
}

TEST_CASE("a scan gives the rows of its range, in order, whatever the bounds") {
  const auto rows = model_rows();
  const SmallHost host(as_lines(rows));
  Peer peer = host.connect();
  std::mt19937_64 random(11);
  for (int i = 0; i < 1500; ++i) {
    const json params = random_scan(random);
    CAPTURE(params.dump());
    const json result = peer.result("table.scan", params);
    REQUIRE(result["rows"].get<std::vector<json>>() == expected_rows(rows, params));
    REQUIRE_FALSE(result.contains("truncated"));
    REQUIRE(result["version"].get<std::uint64_t>() > 0);
  }
}

TEST_CASE("a scan that was cut goes on from its last key, either way, without a row lost or doubled") {
  const auto rows = model_rows();
  const SmallHost host(as_lines(rows));
  Peer peer = host.connect();
  for (const bool reverse : {false, true}) {
    json params{{"table", "rows"}, {"limit", 7}, {"reverse", reverse}};
    std::vector<json> got;
    for (;;) {
      const json result = peer.result("table.scan", params);
      for (const json& row : result["rows"]) got.push_back(row);
      if (!result.contains("truncated")) break;
      REQUIRE(result["rows"].size() == 7);
      params[reverse ? "to" : "from"] = result["last_key"];
      params[reverse ? "to_exclusive" : "from_exclusive"] = true;
      REQUIRE(got.size() <= rows.size());
    }
    CHECK(got == expected_rows(rows, params = {{"reverse", reverse}}));
  }
}

TEST_CASE("an answer stays near 1 MiB however many rows are asked for") {
  std::string lines;
  constexpr int rows = 20'000;
  for (int i = 0; i < rows; ++i) {
    lines += json{{"name", "long"},
                  {"n", i},
                  {"x", 1.0 / 3 + i},
                  {"big", UINT64_MAX - static_cast<std::uint64_t>(i)}}
                 .dump() +
             "\n";
  }
  const SmallHost host(lines);
  Peer peer = host.connect();
  std::int64_t next = 0;
  for (json params{{"table", "rows"}, {"limit", 10'000}};;) {
    const json result = peer.result("table.scan", params);
    CHECK(result.dump().size() < (std::size_t{1} << 20) + 1000);
    for (const json& row : result["rows"]) REQUIRE(row["n"] == next++);
    if (!result.contains("truncated")) break;
    params["from"] = result["last_key"];
    params["from_exclusive"] = true;
  }
  CHECK(next == rows);
}

TEST_CASE("get finds the row of a key and no other") {
  const auto rows = model_rows();
  const SmallHost host(as_lines(rows));
  Peer peer = host.connect();
  for (const auto& [key, row] : rows) {
    const json result =
        peer.result("table.get", {{"table", "rows"}, {"key", {{"name", key.first}, {"n", key.second}}}});
    REQUIRE(result["rows"] == json::array({row}));
  }
  CHECK(peer.result("table.get", {{"table", "rows"}, {"key", {{"name", "A"}, {"n", 5000}}}})["rows"].empty());
}

TEST_CASE("wrong keys, tables and limits are told apart") {
  const SmallHost host;
  Peer peer = host.connect();
  const auto message = [&](const std::string& method, const json& params) {
    return peer.error(method, params)["message"].get<std::string>();
  };
  CHECK(message("table.get", {{"table", "row"}, {"key", json::object()}}).find("rows") != std::string::npos);
  CHECK(peer.error("table.get", {{"table", "row"}, {"key", json::object()}})["data"]["kind"] == "not_found");
  CHECK(message("table.get", {{"table", "rows"}, {"key", {{"name", "A"}}}}).find("'n'") != std::string::npos);
  CHECK(message("table.get", {{"table", "rows"}, {"key", {{"name", "A"}, {"n", 1.5}}}}).find("int64") !=
        std::string::npos);
  CHECK(message("table.scan", {{"table", "rows"}, {"from", {{"n", 1}}}}).find("from: ") == 0);
  CHECK(message("table.scan", {{"table", "rows"}, {"limit", 0}}).find("10000") != std::string::npos);
  CHECK(peer.error("table.scan", {{"table", "rows"}, {"limit", 10'001}})["code"] == -32602);
  CHECK(peer.result("table.scan", {{"table", "rows"}})["rows"].empty());
}

TEST_CASE("64-bit integers keep every digit") {
  const std::string first = R"({"name":"a","n":-9223372036854775808,"x":1.5,"big":18446744073709551615})";
  const std::string second = R"({"name":"b","n":9223372036854775807,"x":-0.25,"big":0})";
  const SmallHost host(first + "\n" + second + "\n");
  Peer peer = host.connect();
  peer.send(R"({"jsonrpc":"2.0","id":1,"method":"table.scan","params":{"table":"rows"}})"
            "\n");
  CHECK(peer.line()->find("\"rows\":[" + first + "," + second + "]") != std::string::npos);
}

}  // namespace rows_test
