#include "readers/restart_tracker.hpp"

#include <doctest/doctest.h>

#include <chrono>

namespace perch::readers::test {
namespace restart_tracker_test {

using namespace std::chrono_literals;

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

}  // namespace restart_tracker_test
}  // namespace perch::readers::test
