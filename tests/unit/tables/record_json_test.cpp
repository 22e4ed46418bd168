#include "tables/record_json.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <random>

#include "unit/tables/test_tables.hpp"
#include "unit/test_files.hpp"

using namespace perch::tables;
using nlohmann::json;

namespace record_json_test {

using perch::test::bytes_of;
using perch::test::has;

using Record = std::vector<std::byte>;

const std::vector<FieldSpec> every_type{{"i8", "int8"},      {"i16", "int16"},     {"i32", "int32"},
                                        {"i64", "int64"},    {"u8", "uint8"},      {"u16", "uint16"},
                                        {"u32", "uint32"},   {"u64", "uint64"},    {"f32", "float32"},
                                        {"f64", "float64"},  {"flag", "bool"},     {"ts", "timestamp_ns"},
                                        {"text", "char[8]"}, {"list", "int16[3]"}, {"floats", "float32[2]"}};

Layout layout_of(const std::vector<FieldSpec>& fields) { return Layout::make(fields, true).value(); }

std::string text_of(const Layout& layout, const Record& record) {
  std::string out = "{";
  append_members(layout, record.data(), out);
  return out + "}";
}

/// What a single field of this type makes of a JSON text: its record's JSON again, or the error.
std::string through(const std::string& type, const std::string& value) {
  const Layout layout = layout_of({{"x", type}});
  Record record(layout.size(), std::byte{0xee});
  const auto read = record_from_json(layout, json::parse("{\"x\":" + value + "}"), record.data());
  if (!read) return read.error().message;
  const std::string text = text_of(layout, record);
  return text.substr(5, text.size() - 6);
}

bool refused(const std::string& type, const std::string& value) {
  return through(type, value).starts_with("member 'x");
}

TEST_CASE("numbers are exact and shortest") {
  CHECK(through("uint64", "18446744073709551615") == "18446744073709551615");
  CHECK(through("int64", "-9223372036854775808") == "-9223372036854775808");
  CHECK(through("int8", "-128") == "-128");
  CHECK(through("float64", "0.1") == "0.1");
  CHECK(through("float32", "0.1") == "0.1");
  CHECK(through("float64", "3") == "3.0");
  CHECK(through("float64", "-0.0") == "-0.0");
  CHECK(through("float32", "1e30") == "1e+30");
  CHECK(through("float64", "\"NaN\"") == "\"NaN\"");
  CHECK(through("float32", "\"Infinity\"") == "\"Infinity\"");
  CHECK(through("float64", "\"-Infinity\"") == "\"-Infinity\"");
  CHECK(through("bool", "true") == "true");
  CHECK(through("timestamp_ns", "-5") == "-5");
  CHECK(through("timestamp_ns", "\"2026-11-24T20:16:48.123Z\"") == "1795551408123000000");
  CHECK(through("uint8[3]", "[1,2,255]") == "[1,2,255]");
  CHECK(through("char[4]", "\"\"") == "\"\"");
  CHECK(through("char[4]", "\"abcd\"") == "\"abcd\"");
  CHECK(through("char[4]", R"("\"\n\\")") == R"("\"\n\\")");
  CHECK(through("char[4]", "\"äö\"") == "\"äö\"");
}

TEST_CASE("what a field cannot hold is refused with type and value") {
  CHECK(through("float64", "\"abc\"") == "member 'x': expected float64, got \"abc\"");
  for (const char* value : {"128", "-129", "1.0", "\"1\"", "true", "null", "[1]", "1e1"})
    CHECK(refused("int8", value));
  for (const char* value : {"-1", "256"}) CHECK(refused("uint8", value));
  for (const char* value : {"-1", "18446744073709551616", "1.5"}) CHECK(refused("uint64", value));
  CHECK(refused("int64", "9223372036854775808"));
  for (const char* value : {"\"nan\"", "\"1\"", "null", "true", "[]"}) CHECK(refused("float64", value));
  CHECK(refused("float32", "1e39"));
  for (const char* value : {"0", "1", "\"true\"", "null"}) CHECK(refused("bool", value));
  for (const char* value : {"1.5", "\"now\"", "\"2026-11-24\""}) CHECK(refused("timestamp_ns", value));
  for (const char* value : {"\"abcde\"", "\"äöü\"", R"("a\u0000")", "1", "null"})
    CHECK(refused("char[4]", value));
  for (const char* value : {"[1,2]", "[1,2,3,4]", "1", "{}", "[1,2,\"3\"]", "[1,2,256]"}) {
    CHECK(refused("uint8[3]", value));
  }
  CHECK(through("uint8[3]", "[1,2,256]") == "member 'x[2]': expected uint8, got 256");
  CHECK(through("char[4]", "\"" + std::string(10'000, 'x') + "\"").size() < 300);
}

TEST_CASE("records of every type come back from their JSON bit by bit") {
  const Layout layout = layout_of(every_type);
  std::mt19937_64 random(5);
  for (int round = 0; round < 5000; ++round) {
    Record record(layout.size());
    for (const Field& field : layout.fields()) {
      std::byte* to = record.data() + field.offset;
      for (std::uint32_t i = 0; i < field.size(); ++i) to[i] = static_cast<std::byte>(random());
      if (field.type == FieldType::boolean) *to &= std::byte{1};
      if (field.type == FieldType::chars) {
        const std::uint32_t length = random() % (field.extent + 1);
        for (std::uint32_t i = 0; i < field.extent; ++i) {
          to[i] = static_cast<std::byte>(i < length ? 1 + random() % 127 : 0);
        }
      }
      // NaNs come back as the quiet NaN: keep to numbers.
      if (field.type == FieldType::float64 && std::isnan(*reinterpret_cast<double*>(to)))
        std::memset(to, 0, 8);
      if (field.type == FieldType::float32) {
        for (std::uint32_t i = 0; i < field.size(); i += 4) {
          if (std::isnan(*reinterpret_cast<float*>(to + i))) std::memset(to + i, 0, 4);
        }
      }
    }
    const std::string text = text_of(layout, record);
    CAPTURE(text);
    Record back(layout.size(), std::byte{0xee});
    const auto read = record_from_json(layout, json::parse(text), back.data());
    REQUIRE(read);
    CHECK(back == record);
  }
}

TEST_CASE("bytes that are not UTF-8 are shown as the replacement character") {
  const Layout layout = layout_of({{"x", "char[6]"}});
  const char bytes[6] = {'a', '\xff', 'b', '\xe2', '\x82', 'c'};  // a lone byte, a cut sequence
  Record record(layout.size());
  std::memcpy(record.data(), bytes, sizeof bytes);
  const json parsed = json::parse(text_of(layout, record));
  CHECK(parsed["x"] ==
        "a\xef\xbf\xbd"
        "b\xef\xbf\xbd"
        "c");
}

TEST_CASE("unknown and missing members are named") {
  const Layout layout = layout_of({{"symbol", "char[8]"}, {"seq", "uint64"}, {"price", "float64"}});
  Record record(layout.size());
  const auto message = [&](const char* text) {
    const auto read = record_from_json(layout, json::parse(text), record.data());
    return read ? "" : read.error().message;
  };
  CHECK(message(R"({"symbol":"A","seq":1,"price":2,"prize":3})") ==
        "unknown member 'prize'; did you mean 'price'?");
  CHECK(message(R"({"symbol":"A","price":2})") == "member 'seq' (uint64) is missing");
  CHECK(has(message("[]"), "array"));
  CHECK(message(R"({"symbol":"A","seq":1,"price":2})").empty());
}

TEST_CASE("leading fields alone make a prefix, a gap does not") {
  const Layout layout = layout_of({{"a", "char[2]"}, {"b", "uint16"}, {"c", "uint32"}});
  Record record(layout.size());
  const auto given = [&](const char* text) {
    std::uint32_t fields = 99;
    const auto read = record_from_json(layout, json::parse(text), record.data(), &fields);
    return read ? static_cast<int>(fields) : -1;
  };
  CHECK(given("{}") == 0);
  CHECK(given(R"({"a":"x"})") == 1);
  CHECK(given(R"({"b":7,"a":"x"})") == 2);
  CHECK(given(R"({"a":"x","b":7,"c":8})") == 3);
  CHECK(given(R"({"b":7})") == -1);
  CHECK(given(R"({"a":"x","c":8})") == -1);
}

TEST_CASE("a row is one object; a value member named as a key member says so") {
  const auto table =
      Table::make({"t", {{"id", "uint32"}, {"ts", "int64"}}, {{"ts", "int64"}, {"x", "float64"}}, {}}, 0);
  REQUIRE(table);
  struct Key {
    std::uint32_t id;
    std::int64_t ts;
  } key{7, -1};
  struct Value {
    std::int64_t ts;
    double x;
  } value{5, 2.5};
  CHECK(row_json(**table, bytes_of(key), bytes_of(value)) == R"({"id":7,"ts":-1,"value.ts":5,"x":2.5})");
}

}  // namespace record_json_test
