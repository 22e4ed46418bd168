#include <immintrin.h>

#include "tree/read_path.hpp"

namespace perch::tree {
namespace avx512 {
namespace {

template <bool or_equal>
static inline std::uint32_t count_before(const std::uint64_t* words, std::uint32_t count,
                                         std::uint64_t word) {
  const __m512i wanted = _mm512_set1_epi64(static_cast<long long>(word));
  std::uint32_t before = 0;
  for (std::uint32_t at = 0; at < count; at += 64) {
    // One bit per word. Loads are masked: what lies behind the last word is not touched.
    const std::uint64_t present = _bzhi_u64(~std::uint64_t{0}, count - at < 64 ? count - at : 64);
    for (std::uint32_t i = 0; i < 64 && at + i < count; i += 8) {
      const auto mask = static_cast<__mmask8>(present >> i);
      const __m512i some = _mm512_maskz_loadu_epi64(mask, words + at + i);
      const __mmask8 is_before = or_equal ? _mm512_mask_cmple_epu64_mask(mask, some, wanted)
                                          : _mm512_mask_cmplt_epu64_mask(mask, some, wanted);
      before += static_cast<std::uint32_t>(_mm_popcnt_u32(is_before));
    }
  }
  return before;
}

#include "tree/read_path.inl"

}  // namespace
}  // namespace avx512

const ReadPath read_path_avx512{"avx512", avx512::count_less, avx512::count_less_or_equal, avx512::get,
                                avx512::get_many};

}  // namespace perch::tree
