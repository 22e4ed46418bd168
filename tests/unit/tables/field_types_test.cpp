#include "tables/field_types.hpp"

#include <doctest/doctest.h>

#include <limits>

using namespace perch::tables;

namespace field_types_test {

TEST_CASE("a number field's C++ type is of its size, its sign and its kind") {
  int numbers = 0;
  for (int i = 0; i <= static_cast<int>(FieldType::chars); ++i) {
    const auto type = static_cast<FieldType>(i);
    if (type == FieldType::boolean || type == FieldType::chars) continue;
    CAPTURE(type_name(type));
    ++numbers;
    with_number_type(type, [&]<class Number>(std::type_identity<Number>) {
      using Limits = std::numeric_limits<Number>;
      CHECK(sizeof(Number) == type_size(type));
      CHECK(Limits::is_integer != is_float(type));
      CHECK((Limits::is_integer && Limits::is_signed) == is_signed(type));
    });
  }
  CHECK(numbers == 11);
}

}  // namespace field_types_test
