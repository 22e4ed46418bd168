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

#include "tree/read_path.inl"

}  // namespace
}  // namespace scalar

const ReadPath read_path_scalar{"scalar",           scalar::count_less, scalar::count_less_or_equal,
                                scalar::get,        scalar::get_many,   scalar::locate,
                                scalar::warm_leaves};

}  // namespace perch::tree
