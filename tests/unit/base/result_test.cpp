#include "base/result.hpp"

#include <doctest/doctest.h>

namespace perch {
namespace result_test {

TEST_CASE("a kind of error is known by its name again") {
  for (int number = 0; number <= static_cast<int>(ErrorKind::crashed); ++number) {
    const auto kind = static_cast<ErrorKind>(number);
    CHECK(parse_error_kind(to_string(kind)) == kind);
  }
  CHECK(parse_error_kind("of_a_newer_host") == ErrorKind::failed);
  CHECK(parse_error_kind("") == ErrorKind::failed);
}

}  // namespace result_test
}  // namespace perch
