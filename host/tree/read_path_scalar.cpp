#include "tree/read_path.hpp"

namespace perch::tree {
namespace scalar {
namespace {

/// Branchless binary search: the comparison becomes a conditional move, so there is nothing to mispredict.
template <bool or_equal>
static inline std::uint32_t count_before(const std::uint64_t* words, std::uint32_t low, std::uint32_t high,
                                         std::uint32_t, std::uint64_t word) {
  const auto is_before = [word](std::uint64_t other) { return or_equal ? other <= word : other < word; };
  words += low;
  std::uint32_t count = high - low;
  const std::uint64_t* base = words;
  while (count > 1) {
    const std::uint32_t half = count / 2;
    base += is_before(base[half - 1]) ? half : 0;
    count -= half;
  }
  return static_cast<std::uint32_t>(base - words) + (count == 1 && is_before(*base) ? 1 : 0);
}

template <bool or_equal>
static inline std::uint32_t count_before_pair(const std::uint64_t* planes, std::uint32_t plane,
                                              std::uint32_t count, const std::uint64_t* key) {
  const auto is_before = [=](std::uint32_t index) {
    const std::uint64_t first = planes[index];
    const std::uint64_t second = planes[plane + index];
    return first < key[0] || (first == key[0] && (or_equal ? second <= key[1] : second < key[1]));
  };
  std::uint32_t begin = 0;
  while (count > 0) {
    const std::uint32_t half = count / 2;
    if (is_before(begin + half)) {
      begin += half + 1;
      count -= half + 1;
    } else {
      count = half;
    }
  }
  return begin;
}

static void copy_units(const std::byte* from, std::byte* to, std::uint32_t units) {
  __builtin_memcpy(to, from, units * unit_bytes);
}

#include "tree/read_path.inl"

}  // namespace
}  // namespace scalar

const ReadPath read_path_scalar{"scalar",           scalar::count_less, scalar::count_less_or_equal,
                                scalar::get,        scalar::get_many,   scalar::locate,
                                scalar::copy_units, scalar::warm_leaves};

}  // namespace perch::tree
