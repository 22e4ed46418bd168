#include "base/duration_histogram.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <random>
#include <vector>

namespace perch {
namespace duration_histogram_test {

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

}  // namespace duration_histogram_test
}  // namespace perch
