#include <immintrin.h>

#include "tree/read_path.hpp"

namespace perch::tree {
namespace avx2 {
namespace {

template <bool or_equal>
static inline std::uint32_t count_before(const std::uint64_t* words, std::uint32_t count,
                                         std::uint64_t word) {
  // AVX2 compares signed: flipping the top bit of both sides makes the order unsigned.
  const __m256i flip = _mm256_set1_epi64x(INT64_MIN);
  const __m256i wanted = _mm256_xor_si256(_mm256_set1_epi64x(static_cast<long long>(word)), flip);
  const __m256i lanes = _mm256_set_epi64x(3, 2, 1, 0);
  std::uint32_t before = 0;
  for (std::uint32_t at = 0; at < count; at += 4) {
    const __m256i present = _mm256_cmpgt_epi64(_mm256_set1_epi64x(count - at), lanes);
    const __m256i some = _mm256_xor_si256(
        _mm256_maskload_epi64(reinterpret_cast<const long long*>(words + at), present), flip);
    const __m256i is_before = or_equal ? _mm256_andnot_si256(_mm256_cmpgt_epi64(some, wanted), present)
                                       : _mm256_and_si256(_mm256_cmpgt_epi64(wanted, some), present);
    before += static_cast<std::uint32_t>(
        _mm_popcnt_u32(static_cast<unsigned>(_mm256_movemask_pd(_mm256_castsi256_pd(is_before)))));
  }
  return before;
}

#include "tree/read_path.inl"

}  // namespace
}  // namespace avx2

const ReadPath read_path_avx2{"avx2", avx2::count_less, avx2::count_less_or_equal, avx2::get, avx2::get_many};

}  // namespace perch::tree
