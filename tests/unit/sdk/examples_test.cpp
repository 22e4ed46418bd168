// The example readers, run as the host runs them, judged by sums that are counted here.
#include <dlfcn.h>
#include <doctest/doctest.h>

#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <random>
#include <string>

#include "plugin_file.hpp"
#include "records.hpp"

namespace {

using perch::test::built_plugin;
using perch::test::FakeHost;
using perch::test::LoadedPlugin;
using Json = nlohmann::json;
using Trades = trades::Table;
using Processes = processes::Table;

constexpr std::int64_t second_ns = 1'000'000'000;

/// The last publication.
Json published(const FakeHost& host, const std::string& topic) {
  REQUIRE_FALSE(host.publications.empty());
  CHECK(host.publications.back().first == topic);
  return Json::parse(host.publications.back().second);
}

struct Feed {
  struct Totals {
    double turnover = 0, volume = 0;
    std::uint64_t trades = 0;
  };
  std::mt19937_64 random{17};
  std::map<std::string, Totals> expected;
  std::uint64_t seq = 0;

  void add(FakeHost& host, int count) {
    for (int i = 0; i < count; ++i) {
      const std::string symbol = "SYM" + std::to_string(random() % 5);
      const double price = static_cast<double>(random() % 10'000) / 4;  // sums of such numbers are exact
      const double size = static_cast<double>(random() % 100);
      trades::Key key{{}, ++seq};
      key.symbol = symbol;
      host.put<Trades>(key, {{static_cast<std::int64_t>(seq)}, price, size});
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
  FakeHost host({&Trades::facts});
  Feed feed;
  auto plugin = std::make_unique<LoadedPlugin>(built_plugin("vwap"));
  plugin->create(host, R"({"every": "0"})");
  CHECK(host.wake_every_ns == 0);
  plugin->start();
  CHECK(host.publications.empty());
  for (int swap = 0; swap < 20; ++swap) {
    feed.add(host, 37);
    host.commit();
    feed.add(host, 11);
    host.commit();
    plugin->step();  // one step over two commits
    feed.check(published(host, "vwap"));
    feed.add(host, 1);
    host.commit();
    plugin->step();
    feed.check(published(host, "vwap"));

    const std::string state = plugin->save();
    auto next =
        std::make_unique<LoadedPlugin>(built_plugin("vwap", swap % 2 == 0 ? "plugins-next" : "plugins"));
    CHECK(next->manifest() != plugin->manifest());
    next->create(host, R"({"every": "0"})");
    next->restore(1, state);
    next->continue_from(*plugin);
    const std::size_t before = host.publications.size();
    next->start();
    CHECK(host.publications.size() == before + 1);  // it tells what it took over
    feed.check(published(host, "vwap"));
    CHECK(published(host, "vwap")["version"] == host.newest().version);
    plugin = std::move(next);
  }
}

TEST_CASE("vwap keeps trades that were removed, and takes a correction as a correction") {
  FakeHost host({&Trades::facts});
  LoadedPlugin plugin(built_plugin("vwap"));
  plugin.create(host, "{}");
  CHECK(host.wake_every_ns == 1'000'000'000);
  plugin.start();
  host.put<Trades>({{"AAPL"}, 1}, {{1}, 100, 2});
  host.put<Trades>({{"AAPL"}, 2}, {{2}, 200, 2});
  host.commit();
  plugin.step();
  host.put<Trades>({{"AAPL"}, 2}, {{2}, 300, 6});
  host.commit();
  plugin.step();
  const Json corrected = published(host, "vwap");
  CHECK(corrected["symbols"]["AAPL"] == Json{{"vwap", 250.0}, {"volume", 8.0}, {"trades", 2}});
  const std::size_t count = host.publications.size();
  host.erase<Trades>({{"AAPL"}, 1});
  host.commit();
  plugin.step();
  CHECK(host.publications.size() == count);
}

TEST_CASE("a wrong config is refused by name") {
  FakeHost host({&Trades::facts});
  LoadedPlugin plugin(built_plugin("vwap"));
  void* instance = nullptr;
  perch_error error{};
  const std::string config = R"({"evry": "1s"})";
  CHECK(plugin.api().create(host.c_host(), {config.data(), config.size()}, &instance, &error) ==
        PERCH_BAD_CONFIG);
  CHECK(std::string(error.message) == "unknown member \"evry\" (known: every)");
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
void sample_processes(FakeHost& host) {
  for (int s = 1; s <= 20; ++s) {
    const perch::timestamp_ns ts{s * second_ns};
    host.put<Processes>({ts, 10}, process("steady", 30, 5'000, static_cast<std::uint64_t>(s) * 700));
    if (s > 18) host.put<Processes>({ts, 11}, process("burst", 100, 9'000));
    if (s <= 5) host.put<Processes>({ts, 12}, process("early", 100, 1));
    for (std::uint32_t pid = 100; pid < 150; ++pid) host.put<Processes>({ts, pid}, process("idle", 0, pid));
  }
  host.commit();
}

TEST_CASE("top_processes ranks by the mean over the window of stream time") {
  FakeHost host({&Processes::facts});
  LoadedPlugin plugin(built_plugin("top_processes"));
  plugin.create(host, R"({"window": "10s", "top": 3})");
  plugin.start();
  host.commit();
  plugin.step();
  CHECK(host.publications.empty());  // no rows, no news
  sample_processes(host);
  plugin.step();
  const Json top = published(host, "top");
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
  FakeHost host({&Processes::facts});
  LoadedPlugin plugin(built_plugin("top_processes"));
  plugin.create(host, R"({"by": "memory", "window": "1s", "top": 100})");
  sample_processes(host);
  plugin.step();
  const Json top = published(host, "top");
  CHECK(top["processes"].size() == 52);
  CHECK(top["processes"][0]["name"] == "burst");
  CHECK(top["processes"][0]["cpu_percent"] == 100.0);
  CHECK(top["processes"][1]["name"] == "steady");
}

TEST_CASE("leak_watch finds what rises steadily and lets the rest be") {
  FakeHost host({&Processes::facts});
  LoadedPlugin plugin(built_plugin("leak_watch"));
  plugin.create(host, R"({"window": "60s", "min_slope_bytes_per_s": 1000})");
  plugin.start();
  std::mt19937 random(5);
  const std::uint64_t base = 4'000'000'000;
  for (int s = 1; s <= 100; ++s) {
    const perch::timestamp_ns ts{1'700'000'000 * second_ns + s * second_ns};
    const auto t = static_cast<std::uint64_t>(s);
    host.put<Processes>({ts, 1}, process("leak", 0, base + t * 5'000 + random() % 2'000));
    host.put<Processes>({ts, 2}, process("slow", 0, base + t * 500));
    host.put<Processes>({ts, 3}, process("flat", 0, base));
    host.put<Processes>({ts, 4}, process("noisy", 0, base + random() % 10'000'000));
    host.put<Processes>({ts, 5}, process("shrinks", 0, base - t * 5'000));
    host.put<Processes>({ts, 6}, process("jump", 0, base + (s > 70 ? 1'000'000 : 0)));
    if (s <= 95) host.put<Processes>({ts, 7}, process("gone", 0, base + t * 9'000));
    if (s > 80) host.put<Processes>({ts, 8}, process("young", 0, base + t * 9'000));
    host.put<Processes>({ts, 9}, process(s <= 80 ? "pid-reused" : "new", 0, base + t * 9'000));
    host.put<Processes>({ts, 10}, process("faster", 0, base + t * 20'000));
    host.commit();
  }
  plugin.step();
  const Json leaks = published(host, "leaks");
  CHECK(leaks["watched"] == 10);
  REQUIRE(leaks["processes"].size() == 2);
  CHECK(leaks["processes"][0]["name"] == "faster");
  CHECK(leaks["processes"][0]["slope_bytes_per_s"].get<double>() == doctest::Approx(20'000));
  CHECK(leaks["processes"][0]["fit"].get<double>() == doctest::Approx(1));
  CHECK(leaks["processes"][0]["seen_s"] == 59);
  CHECK(leaks["processes"][1]["name"] == "leak");
  CHECK(leaks["processes"][1]["slope_bytes_per_s"].get<double>() == doctest::Approx(5'000).epsilon(0.01));
}

}  // namespace
