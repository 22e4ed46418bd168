/* Layout of table "trades", printed by: perch layout trades --c */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct trades_key {
  char symbol[8]; /* UTF-8, padded with NUL; no NUL when full */
  uint64_t seq;
} trades_key;
#define TRADES_KEY_LAYOUT "{symbol:char[8]@0;seq:uint64@8}16:8"
_Static_assert(offsetof(trades_key, symbol) == 0, "symbol");
_Static_assert(offsetof(trades_key, seq) == 8, "seq");
_Static_assert(sizeof(trades_key) == 16 && _Alignof(trades_key) == 8, "trades_key");

typedef struct trades_value {
  int64_t ts; /* timestamp_ns: nanoseconds since 1970 UTC */
  double price;
  double size;
} trades_value;
#define TRADES_VALUE_LAYOUT "{ts:timestamp_ns@0;price:float64@8;size:float64@16}24:8"
_Static_assert(offsetof(trades_value, ts) == 0, "ts");
_Static_assert(offsetof(trades_value, price) == 8, "price");
_Static_assert(offsetof(trades_value, size) == 16, "size");
_Static_assert(sizeof(trades_value) == 24 && _Alignof(trades_value) == 8, "trades_value");
