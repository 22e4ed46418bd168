#include <immintrin.h>

#include "tree/read_path.hpp"

namespace perch::tree {
namespace avx2 {
namespace {

/// Looks at the whole plane, whatever the node holds of it: a loop whose length depends on the node would be
/// mispredicted.
template <bool or_equal>
static inline std::uint32_t count_before(const std::uint64_t* words, std::uint32_t low, std::uint32_t high,
                                         std::uint32_t plane, std::uint64_t word) {
  // AVX2 compares signed: flipping the top bit of both sides makes the order unsigned.
  const __m256i flip = _mm256_set1_epi64x(INT64_MIN);
  const __m256i wanted = _mm256_xor_si256(_mm256_set1_epi64x(static_cast<long long>(word)), flip);
  std::uint64_t before = 0;
  for (std::uint32_t at = 0; at < plane; at += 4) {
    const __m256i some =
        _mm256_xor_si256(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(words + at)), flip);
    const __m256i less = or_equal ? _mm256_cmpgt_epi64(some, wanted) : _mm256_cmpgt_epi64(wanted, some);
    const auto bits = static_cast<std::uint64_t>(_mm256_movemask_pd(_mm256_castsi256_pd(less)));
    before |= (or_equal ? bits ^ 15 : bits) << at;
  }
  if (high < 64) before &= (std::uint64_t{1} << high) - 1;
  return static_cast<std::uint32_t>(_mm_popcnt_u64(before >> low));
}

template <bool or_equal>
static inline std::uint32_t count_before_pair(const std::uint64_t* planes, std::uint32_t plane,
                                              std::uint32_t count, const std::uint64_t* key) {
  const __m256i flip = _mm256_set1_epi64x(INT64_MIN);
  const __m256i first_wanted = _mm256_xor_si256(_mm256_set1_epi64x(static_cast<long long>(key[0])), flip);
  const __m256i second_wanted = _mm256_xor_si256(_mm256_set1_epi64x(static_cast<long long>(key[1])), flip);
  std::uint64_t before = 0;
  for (std::uint32_t at = 0; at < plane; at += 4) {
    const __m256i first =
        _mm256_xor_si256(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(planes + at)), flip);
    const __m256i second =
        _mm256_xor_si256(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(planes + plane + at)), flip);
    const __m256i equal = _mm256_cmpeq_epi64(first, first_wanted);
    const __m256i second_before = or_equal
                                      ? _mm256_andnot_si256(_mm256_cmpgt_epi64(second, second_wanted), equal)
                                      : _mm256_and_si256(_mm256_cmpgt_epi64(second_wanted, second), equal);
    const __m256i is_before = _mm256_or_si256(_mm256_cmpgt_epi64(first_wanted, first), second_before);
    before |= static_cast<std::uint64_t>(_mm256_movemask_pd(_mm256_castsi256_pd(is_before))) << at;
  }
  if (count < 64) before &= (std::uint64_t{1} << count) - 1;
  return static_cast<std::uint32_t>(_mm_popcnt_u64(before));
}

static void copy_units(const std::byte* from, std::byte* to, std::uint32_t units) {
  do {
    const auto* const source = reinterpret_cast<const __m256i*>(from);
    auto* const target = reinterpret_cast<__m256i*>(to);
    _mm256_store_si256(target, _mm256_load_si256(source));
    _mm256_store_si256(target + 1, _mm256_load_si256(source + 1));
    from += unit_bytes;
    to += unit_bytes;
  } while (--units != 0);
}

#include "tree/read_path.inl"

}  // namespace
}  // namespace avx2

const ReadPath read_path_avx2{"avx2",         avx2::count_less, avx2::count_less_or_equal, avx2::get,
                              avx2::get_many, avx2::locate,     avx2::copy_units,          avx2::warm_leaves};

}  // namespace perch::tree
