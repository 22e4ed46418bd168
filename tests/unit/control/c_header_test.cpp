#include "cli/c_header.hpp"

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "table_layout.hpp"

using namespace perch;

namespace c_header_test {

/// Whether a C compiler takes a source that includes the header, whose assertions then hold.
bool compiles(const std::string& compiler, const std::string& header, const std::string& check) {
  const auto folder = std::filesystem::path(PERCH_BINARY_DIR) / "tests" / "c_header";
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "table.h") << header;
  std::ofstream(folder / "use.c") << "#include \"table.h\"\n" << check;
  const std::string command =
      compiler + " -std=c11 -Wall -Wextra -Werror -fsyntax-only '" + (folder / "use.c").string() + "'";
  return std::system(command.c_str()) == 0;
}

TEST_CASE("the C header of a table reads as a person would write it") {
  std::vector<std::string> unusable;
  CHECK(cli::c_header(table_layout("trades", trades_key, trades_value), unusable) ==
        R"(/* Layout of table "trades", printed by: perch layout trades --c */
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
)");
  CHECK(unusable.empty());
}

TEST_CASE("the C header compiles with every type, and its assertions are of the compiler's own layout") {
  std::vector<std::string> unusable;
  const std::vector<tables::FieldSpec> key{
      {"a", "int8"}, {"b", "bool"}, {"c", "float32"}, {"d", "timestamp_ns"}, {"e", "char[3]"}};
  std::vector<tables::FieldSpec> value{{"bytes", "uint8[5]"}, {"text", "char[3]"}, {"many", "float64[4]"}};
  for (const char* type :
       {"int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "bool"}) {
    value.push_back({std::string("field_") + type, type});
  }
  const cli::Json layout = table_layout("double", key, value);
  const std::string header = cli::c_header(layout, unusable);
  CHECK(unusable.empty());
  for (const char* compiler : {"gcc", "clang"}) {
    CAPTURE(compiler);
    CHECK(compiles(compiler, header,
                   "static const char key[] = DOUBLE_KEY_LAYOUT, value[] = DOUBLE_VALUE_LAYOUT;\n"
                   "int use(const double_key* k, const double_value* v);\n"
                   "int use(const double_key* k, const double_value* v) { return k->a + v->field_int8 + "
                   "key[0] + value[0]; }\n"));
  }
  // The counter-check: a layout that no compiler makes of these fields.
  cli::Json moved = layout;
  moved["value"]["fields"][0]["offset"] = 1;
  CHECK_FALSE(compiles("gcc 2> /dev/null", cli::c_header(moved, unusable), ""));
}

TEST_CASE("a field with a name that C reserves is told, not renamed") {
  std::vector<std::string> unusable;
  const std::string header = cli::c_header(
      table_layout("t", {{"restrict", "int64"}}, {{"new", "int64"}, {"bool", "int64"}}), unusable);
  CHECK(unusable == std::vector<std::string>{"restrict", "bool"});
  CHECK(header.find("int64_t restrict;") != std::string::npos);
}

}  // namespace c_header_test
