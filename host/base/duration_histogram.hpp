// DurationHistogram: how long something took, over its whole life, in 2 KiB.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <vector>

namespace perch {

/// Buckets grow by a quarter of a power of two: a quantile is at most 25 % too large.
/// Thread safety: one thread records, any thread asks.
class DurationHistogram {
 public:
  void record(std::int64_t duration_ns) noexcept;
  /// The duration that `share` (0 to 1) of all stayed within; 0 when there are none.
  std::int64_t quantile_ns(double share) const noexcept;
  /// How many durations there are up to each upper end, for those buckets that have any.
  struct Bucket {
    std::int64_t upper_end_ns;
    std::uint64_t count;
  };
  std::vector<Bucket> buckets() const;
  std::int64_t max_ns() const noexcept { return max_ns_.load(std::memory_order_relaxed); }

 private:
  static constexpr std::size_t bucket_count = 256;
  static std::size_t bucket_of(std::uint64_t value) noexcept;
  static std::uint64_t upper_end(std::size_t bucket) noexcept;

  // Relaxed throughout: each word stands for itself, a reader may see one duration counted and the next not
  // yet.
  std::array<std::atomic<std::uint64_t>, bucket_count> counts_{};
  std::atomic<std::int64_t> max_ns_{0};
};

}  // namespace perch
