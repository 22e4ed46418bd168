#include "instances/event_hub.hpp"

#include <doctest/doctest.h>

#include <thread>

namespace perch::instances {
namespace event_hub_test {

Event event_of(const std::string& kind, const std::string& json = "{}") {
  Event event;
  event.kind = kind;
  event.json = json;
  return event;
}

TEST_CASE("events reach every listener in order, numbered from 1") {
  EventHub hub;
  const auto first = hub.subscribe(8, nullptr, nullptr);
  const auto second = hub.subscribe(8, nullptr, nullptr);
  for (const char* kind : {"a", "b", "c"}) hub.publish(event_of(kind));
  for (const auto& subscription : {first, second}) {
    std::uint64_t dropped = 1;
    for (std::uint64_t sequence = 1; sequence <= 3; ++sequence) {
      const auto event = subscription->take(dropped);
      REQUIRE(event);
      CHECK(event->sequence == sequence);
      CHECK(event->time_ns > 0);
      CHECK(dropped == 0);
    }
    CHECK_FALSE(subscription->take(dropped));
  }
  CHECK(hub.published() == 3);
}

TEST_CASE("a listener gets only what it wants, and is told of it") {
  EventHub hub;
  int told = 0;
  const auto subscription = hub.subscribe(
      8, [](const Event& event) { return event.kind == "wanted"; }, [&told] { ++told; });
  hub.publish(event_of("other"));
  hub.publish(event_of("wanted"));
  CHECK(told == 1);
  std::uint64_t dropped = 0;
  CHECK(subscription->take(dropped)->kind == "wanted");
  CHECK_FALSE(subscription->take(dropped));
}

TEST_CASE("a full queue drops its oldest and counts them once") {
  EventHub hub;
  const auto subscription = hub.subscribe(3, nullptr, nullptr);
  for (int i = 0; i < 10; ++i) hub.publish(event_of(std::to_string(i)));
  std::uint64_t dropped = 0;
  CHECK(subscription->take(dropped)->kind == "7");
  CHECK(dropped == 7);
  CHECK(subscription->take(dropped)->kind == "8");
  CHECK(dropped == 0);
}

TEST_CASE("a queue is bounded in bytes too") {
  EventHub hub;
  const auto subscription = hub.subscribe(1'000'000, nullptr, nullptr);
  const std::string quarter_mib(256 << 10, ' ');
  for (int i = 0; i < 100; ++i) hub.publish(event_of("publication", quarter_mib));
  std::uint64_t dropped = 0;
  std::size_t left = 0;
  std::uint64_t dropped_in_all = 0;
  while (subscription->take(dropped)) {
    ++left;
    dropped_in_all += dropped;
  }
  CHECK(left == Subscription::bytes_max / quarter_mib.size());
  CHECK(left + dropped_in_all == 100);
}

TEST_CASE("a listener that is gone is forgotten") {
  EventHub hub;
  int told = 0;
  hub.subscribe(8, nullptr, [&told] { ++told; }).reset();
  hub.publish(event_of("a"));
  CHECK(told == 0);
}

TEST_CASE("many threads publish and listen at once: nothing is lost or doubled") {
  constexpr int publishers = 3;
  constexpr int each = 2'000;
  EventHub hub;
  const auto subscription = hub.subscribe(publishers * each, nullptr, nullptr);
  std::vector<std::thread> threads;
  for (int p = 0; p < publishers; ++p) {
    threads.emplace_back([&hub] {
      for (int i = 0; i < each; ++i) hub.publish(event_of("x"));
    });
  }
  std::uint64_t expected = 1;
  std::uint64_t dropped = 0;
  while (expected <= publishers * each) {
    if (const auto event = subscription->take(dropped)) {
      REQUIRE(event->sequence == expected);
      ++expected;
    }
  }
  for (auto& thread : threads) thread.join();
}

}  // namespace event_hub_test
}  // namespace perch::instances
