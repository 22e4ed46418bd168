#include "base/duration_histogram.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

namespace perch {

std::size_t DurationHistogram::bucket_of(std::uint64_t value) noexcept {
  if (value < 4) return value;
  const auto exponent = static_cast<unsigned>(std::bit_width(value)) - 1;  // ≥ 2
  return (exponent - 1) * 4 + ((value >> (exponent - 2)) & 3);
}

std::uint64_t DurationHistogram::upper_end(std::size_t bucket) noexcept {
  if (bucket < 4) return bucket;
  const unsigned exponent = static_cast<unsigned>(bucket / 4) + 1;
  const std::uint64_t width = std::uint64_t{1} << (exponent - 2);
  return (4 + bucket % 4) * width + (width - 1);
}

void DurationHistogram::record(std::int64_t duration_ns) noexcept {
  const std::int64_t value = std::max<std::int64_t>(duration_ns, 0);
  auto& count = counts_[bucket_of(static_cast<std::uint64_t>(value))];
  count.store(count.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);  // one thread records
  if (value > max_ns()) max_ns_.store(value, std::memory_order_relaxed);
}

std::int64_t DurationHistogram::quantile_ns(double share) const noexcept {
  std::array<std::uint64_t, bucket_count> counts;
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < bucket_count; ++i)
    total += counts[i] = counts_[i].load(std::memory_order_relaxed);
  if (total == 0) return 0;
  const auto wanted =
      std::max<std::uint64_t>(1, static_cast<std::uint64_t>(std::ceil(share * static_cast<double>(total))));
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < bucket_count; ++i) {
    seen += counts[i];
    if (seen >= wanted) return std::min(static_cast<std::int64_t>(upper_end(i)), max_ns());
  }
  return max_ns();
}

std::vector<DurationHistogram::Bucket> DurationHistogram::buckets() const {
  std::vector<Bucket> buckets;
  for (std::size_t i = 0; i < bucket_count; ++i) {
    const std::uint64_t count = counts_[i].load(std::memory_order_relaxed);
    if (count > 0) buckets.push_back({static_cast<std::int64_t>(upper_end(i)), count});
  }
  return buckets;
}

}  // namespace perch
