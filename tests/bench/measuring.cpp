#include "measuring.hpp"

#include <time.h>

#include <algorithm>

#include "engine.hpp"

namespace perch::bench {

double ThreadTimer::now_ns() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

std::vector<std::uint64_t> random_rows(std::uint64_t count, std::uint64_t rows, std::uint64_t seed) {
  std::vector<std::uint64_t> picked(count);
  std::uint64_t state = seed * 0x2545'F491'4F6C'DD1D;
  for (std::uint64_t& row : picked) {  // splitmix64 (Steele, Lea, Flood 2014)
    std::uint64_t x = state += 0x9E37'79B9'7F4A'7C15;
    x = (x ^ (x >> 30)) * 0xBF58'476D'1CE4'E5B9;
    x = (x ^ (x >> 27)) * 0x94D0'49BB'1331'11EB;
    row = (x ^ (x >> 31)) % rows;
  }
  return picked;
}

std::vector<std::uint64_t> keys_of(std::span<const std::uint64_t> rows) {
  std::vector<std::uint64_t> keys(rows.size());
  std::transform(rows.begin(), rows.end(), keys.begin(), key_of_row);
  return keys;
}

}  // namespace perch::bench
