#include "base/rate_limit.hpp"

#include <doctest/doctest.h>

#include <chrono>

namespace perch {
namespace rate_limit_test {

using namespace std::chrono_literals;

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

TEST_CASE("one per period: the first at once, the next when the period is over, never two together") {
  const auto now = RateLimit::Clock::now();
  RateLimit limit = RateLimit::one_per(10s);
  CHECK(limit.allow(now));
  CHECK_FALSE(limit.allow(now + 1s));
  CHECK_FALSE(limit.allow(now + 9s));
  CHECK(limit.take_refused() == 2);
  CHECK(limit.allow(now + 11s));
  CHECK(limit.allow(now + 100s));  // however long it was quiet
  CHECK_FALSE(limit.allow(now + 100s));
}

}  // namespace rate_limit_test
}  // namespace perch
