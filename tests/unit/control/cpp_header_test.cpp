#include "cli/cpp_header.hpp"

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "table_layout.hpp"

using namespace perch;

namespace cpp_header_test {

/// Whether the compiler takes a source that includes the header and checks its layouts against the texts.
bool compiles(const std::string& header, const std::string& space, const tables::Layout& key,
              const tables::Layout& value) {
  const auto folder = std::filesystem::path(PERCH_BINARY_DIR) / "tests" / "cpp_header";
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "table.hpp") << header;
  std::ofstream(folder / "use.cpp") << "#include \"table.hpp\"\n"
                                    << "static_assert(perch::layout_text<" << space << "::Key>() == \""
                                    << key.text() << "\");\nstatic_assert(perch::layout_text<" << space
                                    << "::Value>() == \"" << value.text() << "\");\n";
  const std::string command = "c++ -std=c++20 -Wall -Wextra -Werror -fsyntax-only -I '" PERCH_SOURCE_DIR
                              "/plugin_sdk/include' -I '" +
                              folder.string() + "' '" + (folder / "use.cpp").string() + "'";
  return std::system(command.c_str()) == 0;
}

TEST_CASE("the header of a table reads as a person would write it") {
  std::vector<std::string> unusable;
  CHECK(cli::cpp_header(table_layout("trades", trades_key, trades_value), unusable) ==
        R"(// Layout of table "trades", printed by: perch layout trades --cpp
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
)");
  CHECK(unusable.empty());
}

TEST_CASE("the header compiles against the SDK and has the host's layout") {
  std::vector<std::string> unusable;
  const std::vector<tables::FieldSpec> key{
      {"a", "int8"}, {"b", "bool"}, {"c", "float32"}, {"d", "timestamp_ns"}};
  std::vector<tables::FieldSpec> value{{"bytes", "uint8[5]"}, {"text", "char[3]"}, {"many", "float64[4]"}};
  for (const char* type :
       {"int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "bool"}) {
    value.push_back({std::string("a_field_with_quite_a_long_name_") + type, type});
  }
  CHECK(compiles(cli::cpp_header(table_layout("class", key, value), unusable), "class_",
                 *tables::Layout::make(key, false), *tables::Layout::make(value, true)));
  CHECK(unusable.empty());
}

TEST_CASE("a table may be called what C's headers call something") {
  std::vector<std::string> unusable;
  for (const char* name : {"log", "time", "tm"}) {
    const std::string header = cli::cpp_header(table_layout(name, trades_key, trades_value), unusable);
    CHECK(compiles("#include <cmath>\n#include <ctime>\n" + header, std::string(name) + "_",
                   *tables::Layout::make(trades_key, false), *tables::Layout::make(trades_value, true)));
  }
}

TEST_CASE("a field named like a keyword is told, not renamed") {
  std::vector<std::string> unusable;
  const std::string header =
      cli::cpp_header(table_layout("t", {{"new", "int64"}}, {{"x", "int64"}}), unusable);
  CHECK(unusable == std::vector<std::string>{"new"});
  CHECK(header.find("std::int64_t new;") != std::string::npos);
}

}  // namespace cpp_header_test
