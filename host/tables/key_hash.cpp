#include "tables/key_hash.hpp"

#include <sys/random.h>

#include "base/assert.hpp"

namespace perch::tables {

const KeyHash& KeyHash::of_process() {
  static const KeyHash drawn = [] {
    Coefficients coefficients;
    // Up to 256 bytes come whole, whatever signals arrive.
    const ssize_t bytes = getrandom(coefficients.data(), sizeof coefficients, 0);
    PERCH_ASSERT(bytes == sizeof coefficients, "getrandom gives up to 256 bytes at once");
    return KeyHash(coefficients);
  }();
  return drawn;
}

}  // namespace perch::tables
