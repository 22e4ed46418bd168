// The example readers, run as the host runs them, judged by sums that are counted here.
#include <dlfcn.h>
#include <doctest/doctest.h>

#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <random>
#include <string>

#include "perch/testing.hpp"
#include "plugin_file.hpp"
#include "records.hpp"

namespace examples_test {

using perch::test::built_plugin;
using perch::test::LoadedPlugin;
using perch::testing::Host;
using perch::testing::Reader;
using perch::testing::State;
using Json = nlohmann::json;
using Trades = trades::Table;
using Processes = processes::Table;

constexpr std::int64_t second_ns = 1'000'000'000;

/// The last publication.
Json published(const Reader& reader, const std::string& topic) {
  REQUIRE_FALSE(reader.publications.empty());
  CHECK(reader.publications.back().topic == topic);
  return Json::parse(reader.publications.back().json);
}

struct Feed {
  struct Totals {
    double turnover = 0, volume = 0;
    std::uint64_t trades = 0;
  };
  std::mt19937_64 random{17};
  std::map<std::string, Totals> expected;
  std::uint64_t seq = 0;

  void add(Host<Trades>& host, int count) {
    for (int i = 0; i < count; ++i) {
      const std::string symbol = "SYM" + std::to_string(random() % 5);
      const double price = static_cast<double>(random() % 10'000) / 4;  // sums of such numbers are exact
      const double size = static_cast<double>(random() % 100);
      trades::Key key{{}, ++seq};
      key.symbol = symbol;
      host.put(trades::table, key, {{static_cast<std::int64_t>(seq)}, price, size});
      Totals& totals = expected[symbol];
      totals.turnover += price * size;
      totals.volume += size;
      ++totals.trades;
    }
  }
  void check(const Json& result) const {
    double volume = 0;
    for (const auto& [symbol, totals] : expected) {
      const Json& found = result["symbols"][symbol];
      CHECK(found["trades"] == totals.trades);
      CHECK(found["volume"] == totals.volume);
      CHECK(found["vwap"] == totals.turnover / totals.volume);
      volume += totals.volume;
    }
    CHECK(result["symbols"].size() == expected.size());
    CHECK(result["trades"] == seq);
    CHECK(result["volume"] == volume);
  }
};

TEST_CASE("vwap counts every trade once, across swaps between its two builds") {
  Host<Trades> host;
  Feed feed;
  const LoadedPlugin builds[] = {LoadedPlugin(built_plugin("vwap")),
                                 LoadedPlugin(built_plugin("vwap", "plugins-next"))};
  CHECK(builds[0].manifest() != builds[1].manifest());
  auto reader = std::make_unique<Reader>(host, R"({"every": "0"})", std::nullopt, builds[0].api());
  CHECK(reader->wake_every.count() == 0);
  CHECK(reader->publications.empty());
  for (int swap = 1; swap <= 20; ++swap) {
    feed.add(host, 37);
    host.commit();
    feed.add(host, 11);
    host.commit();
    reader->step();  // one step over two commits
    feed.check(published(*reader, "vwap"));
    feed.add(host, 1);
    host.commit();
    reader->step();
    feed.check(published(*reader, "vwap"));

    auto next = std::make_unique<Reader>(host, R"({"every": "0"})", reader->save(), builds[swap % 2].api());
    CHECK(next->publications.size() == 1);  // it tells what it took over
    feed.check(published(*next, "vwap"));
    CHECK(published(*next, "vwap")["version"] == host.newest_version());
    reader = std::move(next);
  }
}

TEST_CASE("vwap keeps trades that were removed, and takes a correction as a correction") {
  Host<Trades> host;
  const LoadedPlugin plugin(built_plugin("vwap"));
  Reader reader(host, "{}", std::nullopt, plugin.api());
  CHECK(reader.wake_every == std::chrono::seconds(1));
  host.put(trades::table, {{"AAPL"}, 1}, {{1}, 100, 2});
  host.put(trades::table, {{"AAPL"}, 2}, {{2}, 200, 2});
  host.commit();
  reader.step();
  host.put(trades::table, {{"AAPL"}, 2}, {{2}, 300, 6});
  host.commit();
  reader.step();
  const Json corrected = published(reader, "vwap");
  CHECK(corrected["symbols"]["AAPL"] == Json{{"vwap", 250.0}, {"volume", 8.0}, {"trades", 2}});
  const std::size_t count = reader.publications.size();
  CHECK(host.erase(trades::table, {{"AAPL"}, 1}));
  host.commit();
  reader.step();
  CHECK(reader.publications.size() == count);
}

TEST_CASE("largest_trade, in plain C, keeps the largest trade, across swaps") {
  Host<Trades> host;
  const LoadedPlugin plugin(built_plugin("largest_trade"));
  auto reader = std::make_unique<Reader>(host, "{}", std::nullopt, plugin.api());
  std::mt19937_64 random(3);
  double largest = -1;
  std::uint64_t largest_seq = 0;
  for (std::uint64_t seq = 1; seq <= 500; ++seq) {
    const double price = static_cast<double>(random() % 10'000) / 4;
    const double size = seq == 7 ? std::nan("") : static_cast<double>(random() % 100);
    host.put(trades::table, {{"S\"\x01"}, seq}, {{1}, price, size});
    if (price * size > largest) largest_seq = seq;
    if (price * size > largest) largest = price * size;
    if (seq % 37 != 0) continue;
    host.commit();
    reader->step();
    const Json result = published(*reader, "largest");
    CHECK(result["symbol"] == "S??");
    CHECK(result["seq"] == largest_seq);
    CHECK(result["turnover"] == largest);
    CHECK(result["trades"] <= seq);
    auto next = std::make_unique<Reader>(host, "{}", reader->save(), plugin.api());
    next->publications = reader->publications;
    reader = std::move(next);
  }
  CHECK_THROWS_WITH(Reader(host, "{}", State{1, "short", 0}, plugin.api()),
                    "restore: the state has another size than this version's");
}

TEST_CASE("a wrong config is refused by name") {
  Host<Trades> host;
  const LoadedPlugin plugin(built_plugin("vwap"));
  CHECK_THROWS_WITH(Reader(host, R"({"evry": "1s"})", std::nullopt, plugin.api()),
                    "create: unknown member \"evry\" (known: every)");
}

processes::Value process(const char* name, double cpu_percent, std::uint64_t rss_bytes,
                         std::uint64_t read_bytes = 0) {
  processes::Value value{};
  value.name = name;
  value.cpu_percent = cpu_percent;
  value.rss_bytes = rss_bytes;
  value.read_bytes = read_bytes;
  value.threads = 3;
  return value;
}

/// 20 seconds of samples, one a second: "steady" at 30 %, "burst" at 100 % in the last 2 of them, "early"
/// gone after 5, and 50 idle ones.
void sample_processes(Host<Processes>& host) {
  for (int s = 1; s <= 20; ++s) {
    const perch::timestamp_ns ts{s * second_ns};
    host.put(processes::table, {ts, 10}, process("steady", 30, 5'000, static_cast<std::uint64_t>(s) * 700));
    if (s > 18) host.put(processes::table, {ts, 11}, process("burst", 100, 9'000));
    if (s <= 5) host.put(processes::table, {ts, 12}, process("early", 100, 1));
    for (std::uint32_t pid = 100; pid < 150; ++pid)
      host.put(processes::table, {ts, pid}, process("idle", 0, pid));
  }
  host.commit();
}

TEST_CASE("top_processes ranks by the mean over the window of stream time") {
  Host<Processes> host;
  const LoadedPlugin plugin(built_plugin("top_processes"));
  Reader reader(host, R"({"window": "10s", "top": 3})", std::nullopt, plugin.api());
  host.commit();
  reader.step();
  CHECK(reader.publications.empty());  // no rows, no news
  sample_processes(host);
  reader.step();
  const Json top = published(reader, "top");
  CHECK(top["window_s"] == 10);
  REQUIRE(top["processes"].size() == 3);
  CHECK(top["processes"][0] == Json{{"pid", 10},
                                    {"name", "steady"},
                                    {"cpu_percent", 30.0},
                                    {"rss_bytes", 5000},
                                    {"threads", 3},
                                    {"read_bytes_per_s", 700.0},
                                    {"written_bytes_per_s", 0.0}});
  CHECK(top["processes"][1]["name"] == "burst");
  CHECK(top["processes"][1]["cpu_percent"] == 20.0);
  CHECK(top["processes"][2]["pid"] == 149);
}

TEST_CASE("top_processes ranks by memory when asked to") {
  Host<Processes> host;
  const LoadedPlugin plugin(built_plugin("top_processes"));
  Reader reader(host, R"({"by": "memory", "window": "1s", "top": 100})", std::nullopt, plugin.api());
  sample_processes(host);
  reader.step();
  const Json top = published(reader, "top");
  CHECK(top["processes"].size() == 52);
  CHECK(top["processes"][0]["name"] == "burst");
  CHECK(top["processes"][0]["cpu_percent"] == 100.0);
  CHECK(top["processes"][1]["name"] == "steady");
}

TEST_CASE("leak_watch finds what rises steadily and lets the rest be") {
  Host<Processes> host;
  const LoadedPlugin plugin(built_plugin("leak_watch"));
  Reader reader(host, R"({"window": "60s", "min_slope_bytes_per_s": 1000})", std::nullopt, plugin.api());
  std::mt19937 random(5);
  const std::uint64_t base = 4'000'000'000;
  for (int s = 1; s <= 100; ++s) {
    const perch::timestamp_ns ts{1'700'000'000 * second_ns + s * second_ns};
    const auto t = static_cast<std::uint64_t>(s);
    host.put(processes::table, {ts, 1}, process("leak", 0, base + t * 5'000 + random() % 2'000));
    host.put(processes::table, {ts, 2}, process("slow", 0, base + t * 500));
    host.put(processes::table, {ts, 3}, process("flat", 0, base));
    host.put(processes::table, {ts, 4}, process("noisy", 0, base + random() % 10'000'000));
    host.put(processes::table, {ts, 5}, process("shrinks", 0, base - t * 5'000));
    host.put(processes::table, {ts, 6}, process("jump", 0, base + (s > 70 ? 1'000'000 : 0)));
    if (s <= 95) host.put(processes::table, {ts, 7}, process("gone", 0, base + t * 9'000));
    if (s > 80) host.put(processes::table, {ts, 8}, process("young", 0, base + t * 9'000));
    host.put(processes::table, {ts, 9}, process(s <= 80 ? "pid-reused" : "new", 0, base + t * 9'000));
    host.put(processes::table, {ts, 10}, process("faster", 0, base + t * 20'000));
    host.commit();
  }
  reader.step();
  const Json leaks = published(reader, "leaks");
  CHECK(leaks["watched"] == 10);
  REQUIRE(leaks["processes"].size() == 2);
  CHECK(leaks["processes"][0]["name"] == "faster");
  CHECK(leaks["processes"][0]["slope_bytes_per_s"].get<double>() == doctest::Approx(20'000));
  CHECK(leaks["processes"][0]["fit"].get<double>() == doctest::Approx(1));
  CHECK(leaks["processes"][0]["seen_s"] == 59);
  CHECK(leaks["processes"][1]["name"] == "leak");
  CHECK(leaks["processes"][1]["slope_bytes_per_s"].get<double>() == doctest::Approx(5'000).epsilon(0.01));
}

}  // namespace examples_test
