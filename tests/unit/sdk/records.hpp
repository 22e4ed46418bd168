// Records that the SDK's tests share.
#pragma once

#include "../../../plugins/top_processes/processes.hpp"
#include "../../../plugins/vwap/trades.hpp"

namespace everything {

struct Key {
  std::int8_t a;
  std::uint16_t b;
  std::int32_t c;
  bool d;
  perch::timestamp_ns e;
  perch::chars<3> f;
  float g;
};
PERCH_LAYOUT(Key, a, b, c, d, e, f, g)

struct Value {
  char raw[5];
  std::array<char, 2> text;
  std::uint8_t small;
  long long whole;
  std::array<std::uint16_t, 3> array;
  float matrix_row[3];
  bool flag;
  perch::timestamp_ns when;
  double last;
};
PERCH_LAYOUT(Value, raw, text, small, whole, array, matrix_row, flag, when, last);

using Table = perch::Table<"everything", Key, Value>;
inline constexpr Table table;

}  // namespace everything
