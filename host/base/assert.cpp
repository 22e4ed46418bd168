#include "base/assert.hpp"

#include <cstdio>
#include <cstdlib>

namespace perch {

void assertion_failed(const char* expression, const char* message, const char* file, int line) noexcept {
  std::fprintf(stderr, "perch: bug at %s:%d: %s (%s)\n", file, line, message, expression);
  std::fflush(stderr);
  std::abort();
}

}  // namespace perch
