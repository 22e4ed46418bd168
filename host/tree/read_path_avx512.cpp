#include <immintrin.h>

#include "tree/read_path.hpp"

namespace perch::tree {
namespace avx512 {
namespace {

/// One bit for each of 8 words: whether it comes before.
template <bool or_equal>
static inline std::uint64_t bits_before(const std::uint64_t* words, __m512i wanted) {
  const __m512i some = _mm512_loadu_si512(words);
  return _cvtmask8_u32(or_equal ? _mm512_cmple_epu64_mask(some, wanted)
                                : _mm512_cmplt_epu64_mask(some, wanted));
}

/// Looks at the whole plane, whatever the node holds of it: a loop whose length depends on the node would be
/// mispredicted. The usual lengths are written out.
template <bool or_equal>
static inline std::uint32_t count_before(const std::uint64_t* words, std::uint32_t low, std::uint32_t high,
                                         std::uint32_t plane, std::uint64_t word) {
  const __m512i wanted = _mm512_set1_epi64(static_cast<long long>(word));
  std::uint64_t before;
  if (plane == 16) {
    before = bits_before<or_equal>(words, wanted) | bits_before<or_equal>(words + 8, wanted) << 8;
  } else if (plane == 32) {
    before = bits_before<or_equal>(words, wanted) | bits_before<or_equal>(words + 8, wanted) << 8 |
             bits_before<or_equal>(words + 16, wanted) << 16 |
             bits_before<or_equal>(words + 24, wanted) << 24;
  } else {
    before = 0;
    for (std::uint32_t at = 0; at < plane; at += 8) before |= bits_before<or_equal>(words + at, wanted) << at;
  }
  before = _bzhi_u64(before, high) >> low;
  return static_cast<std::uint32_t>(_mm_popcnt_u64(before));
}

template <bool or_equal>
static inline std::uint32_t count_before_pair(const std::uint64_t* planes, std::uint32_t plane,
                                              std::uint32_t count, const std::uint64_t* key) {
  const __m512i first_wanted = _mm512_set1_epi64(static_cast<long long>(key[0]));
  const __m512i second_wanted = _mm512_set1_epi64(static_cast<long long>(key[1]));
  std::uint64_t before = 0;
  for (std::uint32_t at = 0; at < plane; at += 8) {
    const __m512i first = _mm512_loadu_si512(planes + at);
    const __m512i second = _mm512_loadu_si512(planes + plane + at);
    const __mmask8 equal = _mm512_cmpeq_epu64_mask(first, first_wanted);
    const __mmask8 second_before = or_equal ? _mm512_mask_cmple_epu64_mask(equal, second, second_wanted)
                                            : _mm512_mask_cmplt_epu64_mask(equal, second, second_wanted);
    const __mmask8 first_before = _mm512_cmplt_epu64_mask(first, first_wanted);
    before |= std::uint64_t{_cvtmask8_u32(_kor_mask8(first_before, second_before))} << at;
  }
  return static_cast<std::uint32_t>(_mm_popcnt_u64(_bzhi_u64(before, count)));
}

static void copy_units(const std::byte* from, std::byte* to, std::uint32_t units) {
  do {
    _mm512_store_si512(to, _mm512_load_si512(from));
    from += unit_bytes;
    to += unit_bytes;
  } while (--units != 0);
}

#include "tree/read_path.inl"

}  // namespace
}  // namespace avx512

const ReadPath read_path_avx512{"avx512",           avx512::count_less, avx512::count_less_or_equal,
                                avx512::get,        avx512::get_many,   avx512::locate,
                                avx512::copy_units, avx512::warm_leaves};

}  // namespace perch::tree
