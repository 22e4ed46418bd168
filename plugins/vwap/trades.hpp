// Layout of table "trades", printed by: perch layout trades --cpp
#pragma once

#include <perch/layout.hpp>

namespace trades {

struct Key {
  perch::chars<8> symbol;
  std::uint64_t seq;
};
PERCH_LAYOUT(Key, symbol, seq)

struct Value {
  perch::timestamp_ns ts;
  double price;
  double size;
};
PERCH_LAYOUT(Value, ts, price, size)

using Table = perch::Table<"trades", Key, Value>;
inline constexpr Table table;

}  // namespace trades
