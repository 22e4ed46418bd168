// What workloads are made of: processor time, and rows picked at random.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace perch::bench {

/// Processor time of this thread: what other programs on the machine take meanwhile does not count. (Their
/// pressure on caches and memory does: compare engines of one run.)
class ThreadTimer {
 public:
  double elapsed_ns() const { return now_ns() - begin_ns_; }

 private:
  static double now_ns();
  const double begin_ns_ = now_ns();
};

/// `count` of `rows` rows at random.
std::vector<std::uint64_t> random_rows(std::uint64_t count, std::uint64_t rows, std::uint64_t seed);

std::vector<std::uint64_t> keys_of(std::span<const std::uint64_t> rows);

}  // namespace perch::bench
