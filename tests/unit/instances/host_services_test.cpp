// What a plugin says to the host: metrics and publications.
#include "instances/host_services.hpp"

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <string_view>

#include "instances/event_hub.hpp"
#include "instances/live_stats.hpp"

namespace perch::instances::test {
namespace host_services_test {

perch_string text(std::string_view from) { return {from.data(), from.size()}; }

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

}  // namespace host_services_test
}  // namespace perch::instances::test
