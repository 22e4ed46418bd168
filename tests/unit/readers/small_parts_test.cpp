// The small parts that a reader's numbers, limits and restarts are made of.
#include <algorithm>
#include <random>

#include "base/duration_histogram.hpp"
#include "readers/host_services.hpp"
#include "readers/live_stats.hpp"
#include "readers/rate_limit.hpp"
#include "readers/restart_tracker.hpp"
#include "readers/text.hpp"
#include "test_host.hpp"

namespace perch::readers::test {
namespace {

perch_string text(std::string_view from) { return {from.data(), from.size()}; }

TEST_CASE("quantiles are at most a quarter too large and never too small") {
  std::mt19937_64 random(5);
  for (const int bits : {3, 12, 30, 50}) {
    DurationHistogram histogram;
    std::vector<std::int64_t> all;
    for (int i = 0; i < 10'000; ++i) {
      all.push_back(static_cast<std::int64_t>(random() >> (64 - bits)));
      histogram.record(all.back());
    }
    std::sort(all.begin(), all.end());
    CHECK(histogram.max_ns() == all.back());
    for (const double share : {0.01, 0.5, 0.9, 0.99, 1.0}) {
      const auto exact = all[static_cast<std::size_t>(share * static_cast<double>(all.size())) - 1];
      CHECK(histogram.quantile_ns(share) >= exact);
      CHECK(histogram.quantile_ns(share) <= exact + exact / 4 + 1);
    }
  }
}

TEST_CASE("an empty histogram and the largest durations are no special case") {
  DurationHistogram histogram;
  CHECK(histogram.quantile_ns(0.5) == 0);
  histogram.record(INT64_MAX);
  histogram.record(-5);
  CHECK(histogram.max_ns() == INT64_MAX);
  CHECK(histogram.quantile_ns(0.5) == 0);
  CHECK(histogram.quantile_ns(1) == INT64_MAX);
}

TEST_CASE("a flood is cut at the burst, and goes on with time") {
  const auto now = RateLimit::Clock::now();
  RateLimit limit(10, 5);
  int allowed = 0;
  for (int i = 0; i < 100; ++i) allowed += limit.allow(now);
  CHECK(allowed == 5);
  CHECK(limit.take_refused() == 95);
  CHECK(limit.take_refused() == 0);
  allowed = 0;
  for (int i = 0; i < 100; ++i) allowed += limit.allow(now + 300ms);
  CHECK(allowed >= 2);
  CHECK(allowed <= 3);
}

TEST_CASE("restarts are delayed twice as long each time, and end in quarantine") {
  RestartTracker tracker({100ms, 500ms, 4, 60s});
  const auto begin = std::chrono::steady_clock::now();
  CHECK(tracker.next_delay(begin) == 100ms);
  CHECK(tracker.next_delay(begin + 1s) == 200ms);
  CHECK(tracker.next_delay(begin + 2s) == 400ms);
  CHECK(tracker.next_delay(begin + 3s) == 500ms);
  CHECK_FALSE(tracker.next_delay(begin + 4s));
  CHECK(tracker.next_delay(begin + 120s) == 100ms);  // the old ones are forgotten
}

TEST_CASE("texts of plugins become one line of valid UTF-8, cut") {
  CHECK(clean_text("a\nb\tc\x7f", 100) == "a b c ");
  CHECK(clean_text("gr\xc3\xbc\xc3\x9f", 100) == "gr\xc3\xbc\xc3\x9f");
  CHECK(clean_text("x\xff", 100) == "x\xef\xbf\xbd");
  CHECK(clean_text("\xc3\xbc", 1) == "\xef\xbf\xbd");
  CHECK(clean_text(std::string_view("a\0b", 3), 100) == "a b");
  CHECK(clean_text(std::string(1000, 'x'), 10).size() == 10);
}

TEST_CASE("metrics keep their kind, and their number is bounded") {
  Metrics metrics;
  CHECK(metrics.update(MetricKind::counter, "rows", 2));
  CHECK(metrics.update(MetricKind::counter, "rows", 3));
  CHECK(metrics.update(MetricKind::gauge, "level", 7));
  CHECK(metrics.update(MetricKind::gauge, "level", 8));
  CHECK(metrics.update(MetricKind::histogram, "time", 1));
  CHECK(metrics.update(MetricKind::histogram, "time", 3));
  CHECK_FALSE(metrics.update(MetricKind::gauge, "rows", 1));
  auto values = metrics.values();
  CHECK(values["rows"].value == 5);
  CHECK(values["rows"].kind == "counter");
  CHECK(values["level"].value == 8);
  CHECK(values["time"].value == 2);
  CHECK(values["time"].count == 2);
  int taken = 0;
  for (int i = 0; i < 200; ++i) taken += metrics.update(MetricKind::counter, "n" + std::to_string(i), 1);
  CHECK(taken == static_cast<int>(Metrics::names_max) - 3);
}

TEST_CASE("a publication is checked, marked and sent as one line") {
  EventHub hub;
  const auto subscription = hub.subscribe(16, nullptr, nullptr);
  const auto stats = std::make_shared<LiveStats>();
  HostServices services("r", 7, hub, stats);
  services.set_version(42);
  const perch_host& host = *services.host();
  CHECK(host.publish(host.context, text("prices"), text("{\"a\":\n[1,\r\n2]}")) == PERCH_OK);
  CHECK(host.publish(host.context, text("prices"), text("{\"a\":")) == PERCH_FAILED);
  CHECK(host.publish(host.context, text("prices"), text("\"\xff\"")) == PERCH_FAILED);
  CHECK(host.publish(host.context, text("prices"), text("")) == PERCH_FAILED);
  CHECK(host.publish(host.context, text("prices"), text("\"" + std::string(300'000, 'x') + "\"")) ==
        PERCH_FAILED);
  std::uint64_t dropped = 0;
  const auto event = subscription->take(dropped);
  REQUIRE(event);
  CHECK(event->kind == "publication");
  CHECK(event->reader == "r");
  CHECK(event->generation == 7);
  CHECK(event->version == 42);
  CHECK(event->topic == "prices");
  CHECK(event->json == "{\"a\": [1,  2]}");
  CHECK_FALSE(subscription->take(dropped));
  CHECK(stats->publications.load() == 1);
  services.silence();
  CHECK(host.publish(host.context, text("prices"), text("{}")) == PERCH_FAILED);
}

TEST_CASE("a flood of publications is cut") {
  EventHub hub;
  HostServices services("r", 1, hub, std::make_shared<LiveStats>());
  const perch_host& host = *services.host();
  int refused = 0;
  for (int i = 0; i < 200'000 && refused == 0; ++i) {
    refused += host.publish(host.context, text("t"), text("1")) == PERCH_FAILED;
  }
  CHECK(refused == 1);
}

}  // namespace
}  // namespace perch::readers::test
