#include "tree/read_path.hpp"

#include <cstdlib>
#include <cstring>

namespace perch::tree {

const ReadPath& choose_read_path() noexcept {
  const bool has_avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                          __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("popcnt");
  const bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("popcnt");
  const char* const wanted = std::getenv("PERCH_SIMD");
  if (wanted != nullptr && std::strcmp(wanted, "scalar") == 0) return read_path_scalar;
  if (wanted != nullptr && std::strcmp(wanted, "avx2") == 0 && has_avx2) return read_path_avx2;
  return has_avx512 ? read_path_avx512 : has_avx2 ? read_path_avx2 : read_path_scalar;
}

}  // namespace perch::tree
