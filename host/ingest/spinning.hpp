// What a thread does between two looks that are not to be paid for with a sleep.
#pragma once

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace perch::ingest {

/// Leaves the processor's other half, and the memory, to others for a moment (Intel SDM, PAUSE).
inline void spin_once() noexcept {
#if defined(__x86_64__)
  _mm_pause();
#endif
}

}  // namespace perch::ingest
