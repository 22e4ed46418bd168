/* Layout of table "trades", printed by: perch layout trades --c */
#ifndef PERCH_TABLE_TRADES_H
#define PERCH_TABLE_TRADES_H

#include <stddef.h>
#include <stdint.h>

typedef struct trades_key {
  char symbol[8];
  uint64_t seq;
} trades_key;
#define TRADES_KEY_LAYOUT "{symbol:char[8]@0;seq:uint64@8}16:8"
_Static_assert(offsetof(trades_key, seq) == 8 && sizeof(trades_key) == 16, TRADES_KEY_LAYOUT);

typedef struct trades_value {
  int64_t ts; /* timestamp_ns: nanoseconds since 1970 UTC */
  double price;
  double size;
} trades_value;
#define TRADES_VALUE_LAYOUT "{ts:timestamp_ns@0;price:float64@8;size:float64@16}24:8"
_Static_assert(offsetof(trades_value, price) == 8 && offsetof(trades_value, size) == 16 &&
                   sizeof(trades_value) == 24,
               TRADES_VALUE_LAYOUT);

#endif
