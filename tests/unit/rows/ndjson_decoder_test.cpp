#include "rows/ndjson_decoder.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "rows/big_numbers.hpp"

using namespace perch::rows;
using perch::tables::Table;
using perch::tables::TablePtr;
using perch::tables::TableSpec;

namespace ndjson_decoder_test {

/// Decodes rows of one table, and reads fields of the last one.
class Decoder {
 public:
  explicit Decoder(const TableSpec& spec, std::vector<std::pair<std::string, MemberSpec>> map = {})
      : catalog_(*perch::tables::Catalog::make({spec})),
        table_(catalog_.tables()[0]),
        mapping_(*Mapping::make({{spec.name, {}, std::move(map)}}, catalog_)),
        rows_(mapping_, stamps_),
        batch_({{table_->codec().words(), table_->value().size()}}) {
    key_.resize(table_->key().size());
    value_.resize(table_->value().size());
  }

  /// "" when the row is taken, else the reason.
  std::string decode(std::string row) {
    row.reserve(row.size() + perch::LineSplitter::padding_bytes);
    batch_.begin(0);
    if (rows_.take(row, batch_) != Step::row) return name(rows_.reject().reason);
    batch_.close_row(0);
    const RowBatch::Record record = batch_.record(0);
    table_->codec().decode(record.key, key_.data());
    std::memcpy(value_.data(), record.value, value_.size());
    return "";
  }
  const std::string& message() const { return rows_.reject().message; }

  template <class T>
  T value(const std::string& field) const {
    return read<T>(table_->value(), value_, field);
  }
  template <class T>
  T key(const std::string& field) const {
    return read<T>(table_->key(), key_, field);
  }
  std::string chars(const std::string& field) const {
    const auto* found = table_->value().find(field);
    return {reinterpret_cast<const char*>(value_.data()) + found->offset, found->size()};
  }

 private:
  template <class T>
  static T read(const perch::tables::Layout& layout, const std::vector<std::byte>& record,
                const std::string& field) {
    T out;
    std::memcpy(&out, record.data() + layout.find(field)->offset, sizeof out);
    return out;
  }

  perch::tables::Catalog catalog_;
  TablePtr table_;
  Mapping mapping_;
  Stamps stamps_;
  NdjsonRows rows_;
  RowBatch batch_;
  std::vector<std::byte> key_;
  std::vector<std::byte> value_;
};

/// A table with one value field.
Decoder one(const std::string& type) { return Decoder({"t", {{"k", "uint8"}}, {{"v", type}}, std::nullopt}); }

std::string row(const std::string& value) { return "{\"k\":1,\"v\":" + value + "}"; }

TEST_CASE("a row fills every field, in any order of the members") {
  Decoder decoder({"t",
                   {{"symbol", "char[4]"}, {"seq", "uint64"}},
                   {{"ts", "timestamp_ns"}, {"price", "float64"}, {"flag", "bool"}, {"depth", "int16[3]"}},
                   std::nullopt});
  for (const char* text :
       {R"({"symbol":"AB","seq":7,"ts":-5,"price":1.5,"flag":true,"depth":[1,-2,3]})",
        R"( {"flag":true,"depth":[1,-2,3],"x":{"seq":1},"price":1.5,"ts":-5,"seq":7,"symbol":"AB"} )"}) {
    REQUIRE(decoder.decode(text) == "");
    CHECK(decoder.key<std::uint64_t>("seq") == 7);
    CHECK(decoder.key<std::array<char, 4>>("symbol") == std::array<char, 4>{'A', 'B', 0, 0});
    CHECK(decoder.value<std::int64_t>("ts") == -5);
    CHECK(decoder.value<double>("price") == 1.5);
    CHECK(decoder.value<std::uint8_t>("flag") == 1);
    CHECK(decoder.value<std::array<std::int16_t, 3>>("depth") == std::array<std::int16_t, 3>{1, -2, 3});
  }
}

TEST_CASE("surplus members are ignored, and the last of doubled ones counts") {
  auto decoder = one("int32");
  CHECK(decoder.decode(R"({"k":1,"zz":null,"v":"text","v":2,"v":3,"y":[{}]})") == "");
  CHECK(decoder.value<std::int32_t>("v") == 3);
  CHECK(decoder.decode(R"({"k":1,"v":3,"v":"text"})") == "wrong_type");
  CHECK(decoder.decode(R"({"k":1,"v":4})") == "");
  CHECK(decoder.decode(R"({"k":1})") == "missing_field");  // the one of the row before does not count
}

TEST_CASE("a name that key and value share is fed from one member") {
  Decoder decoder({"t", {{"ts", "timestamp_ns"}}, {{"ts", "float64"}}, std::nullopt});
  REQUIRE(decoder.decode(R"({"ts":17})") == "");
  CHECK(decoder.key<std::int64_t>("ts") == 17);
  CHECK(decoder.value<double>("ts") == 17.0);
}

TEST_CASE("rows that change their shape all the time are matched by name") {
  Decoder decoder({"t", {{"a", "uint8"}}, {{"b", "uint8"}, {"c", "uint8"}}, std::nullopt});
  std::vector<std::string> members{R"("a":1)", R"("b":2)", R"("c":3)", R"("d":4)", R"("aa":5)"};
  std::sort(members.begin(), members.end());
  do {
    std::string text = "{";
    for (const auto& member : members) text += (text.size() > 1 ? "," : "") + member;
    REQUIRE(decoder.decode(text + "}") == "");
    REQUIRE(decoder.key<std::uint8_t>("a") == 1);
    REQUIRE(decoder.value<std::uint8_t>("b") == 2);
    REQUIRE(decoder.value<std::uint8_t>("c") == 3);
  } while (std::next_permutation(members.begin(), members.end()));
}

TEST_CASE("what is no JSON object is refused with its reason") {
  auto decoder = one("int32");
  for (const char* text :
       {"{", "{\"k\":1,\"v\":2", "nonsense", "{\"k\":1,\"v\":01}", "{\"k\":1,\"v\":1.}", "{\"k\":1,\"v\":-}",
        "{\"k\":1,\"v\":NaN}", "{\"k\":1,\"v\":\"\\q\"}", "{\"k\":1,\"v\":2} x", "{\"k\":1,\"v\":2,}",
        "{\"k\":1,\"v\":1e400x}", "01", "{\"k\":1,\"v\":\"a\nb\"}"}) {
    CAPTURE(text);
    CHECK(decoder.decode(text) == "not_json");
  }
  CHECK(decoder.decode(std::string("{\"k\":1,\"v\":\0}", 13)) == "not_json");
  CHECK(decoder.decode(std::string("{\"k\":1,\"v\":\"\0\"}", 15)) == "not_json");  // a raw control character
  CHECK(decoder.decode("{\"k\":1,\"v\":" + std::string(3000, '[') + std::string(3000, ']') + "}") ==
        "not_json");
  for (const char* text : {"[1,2]", "17", "1e400", "\"text\"", "null", "true"}) {
    CAPTURE(text);
    CHECK(decoder.decode(text) == "not_object");
  }
  CHECK(decoder.decode("{\"k\":1,\"v\":2,\"s\":\"\xff\"}") == "not_utf8");  // also in a surplus member
  CHECK(decoder.decode("{\"k\":1,\"v\":2,\"s\":\"\xc3\"}") == "not_utf8");  // cut short
  CHECK(decoder.decode("{\"k\":1,\"v\":2,\"s\":\"\xed\xa0\x80\"}") == "not_utf8");  // a surrogate
  CHECK(decoder.decode("{\"k\":1,\"v\":2,\"s\":\"\xc0\x80\"}") == "not_utf8");      // overlong
}

TEST_CASE_TEMPLATE("integers: the whole range and nothing beyond", T, std::int8_t, std::int16_t, std::int32_t,
                   std::int64_t, std::uint8_t, std::uint16_t, std::uint32_t, std::uint64_t) {
  Decoder decoder = one((std::is_signed_v<T> ? "int" : "uint") + std::to_string(sizeof(T) * 8));
  const std::string min = std::to_string(std::numeric_limits<T>::min());
  const std::string max = std::to_string(std::numeric_limits<T>::max());
  REQUIRE(decoder.decode(row(min)) == "");
  CHECK(decoder.value<T>("v") == std::numeric_limits<T>::min());
  REQUIRE(decoder.decode(row(max)) == "");
  CHECK(decoder.value<T>("v") == std::numeric_limits<T>::max());
  std::string beyond = max;
  ++beyond.back();  // no type's maximum ends with a 9
  CHECK(decoder.decode(row(beyond)) == "out_of_range");
  if (std::is_signed_v<T>) {
    std::string below = min;
    ++below.back();
    CHECK(decoder.decode(row(below)) == "out_of_range");
  } else {
    CHECK(decoder.decode(row("-1")) == "out_of_range");
  }
  CHECK(decoder.decode(row("18446744073709551616")) == "out_of_range");
  CHECK(decoder.decode(row("-9223372036854775809")) == "out_of_range");
  CHECK(decoder.decode(row(std::string(500, '9'))) == "out_of_range");
  for (const char* wrong : {"1.0", "1e2", "1e400", "\"1\"", "true", "null", "[1]", "{}"}) {
    CAPTURE(wrong);
    CHECK(decoder.decode(row(wrong)) == "wrong_type");
  }
}

TEST_CASE("floats take any number within their range") {
  auto doubles = one("float64");
  const std::vector<std::pair<const char*, double>> good{{"1", 1},
                                                         {"-7", -7},
                                                         {"1.25e3", 1250},
                                                         {"18446744073709551615", 18446744073709551615.0},
                                                         {"100000000000000000000", 1e20},
                                                         {"-100000000000000000000", -1e20},
                                                         {"1e308", 1e308},
                                                         {"1e-400", 0}};
  for (const auto& [text, number] : good) {
    CAPTURE(text);
    REQUIRE(doubles.decode(row(text)) == "");
    CHECK(doubles.value<double>("v") == number);
  }
  CHECK(doubles.decode(row("1e309")) == "out_of_range");
  CHECK(doubles.decode(row("-1e400")) == "out_of_range");
  CHECK(doubles.decode(row(std::string(400, '9'))) == "out_of_range");
  CHECK(doubles.decode(row("\"1\"")) == "wrong_type");
  CHECK(doubles.decode(row("true")) == "wrong_type");

  auto floats = one("float32");
  REQUIRE(floats.decode(row("0.5")) == "");
  CHECK(floats.value<float>("v") == 0.5f);
  REQUIRE(floats.decode(row("1e-60")) == "");
  CHECK(floats.value<float>("v") == 0.0f);
  CHECK(floats.decode(row("1e39")) == "out_of_range");
  CHECK(floats.decode(row("-1e39")) == "out_of_range");
  CHECK(floats.decode(row("1e400")) == "out_of_range");
}

TEST_CASE("a surplus member may hold a number that no type can") {
  auto decoder = one("float64");
  REQUIRE(decoder.decode(
              R"({"k":1,"big":[1e999,123456789012345678901234567890,1e-400],"v":2,"s":"\"1e999"})") == "");
  CHECK(decoder.value<double>("v") == 2);
  CHECK(decoder.decode(R"({"k":1,"big":1e999,"v":01})") == "not_json");
  // A text that says what a stand-in would say is not rewritten.
  CHECK(decoder.decode(R"({"k":1,"big":1e999,"v":{"perch:big_number":"5"}})") == "not_json");
}

TEST_CASE("strings: up to N bytes, padded with NUL, none inside") {
  auto decoder = one("char[4]");
  REQUIRE(decoder.decode(row(R"("abcd")")) == "");
  CHECK(decoder.chars("v") == "abcd");
  REQUIRE(decoder.decode(row(R"("")")) == "");
  CHECK(decoder.chars("v") == std::string(4, '\0'));  // nothing of the row before
  REQUIRE(decoder.decode(row(R"("\u00e9\n")")) == "");
  CHECK(decoder.chars("v") == std::string("\xc3\xa9\n\0", 4));
  CHECK(decoder.decode(row(R"("abcde")")) == "string_too_long");
  CHECK(decoder.decode(row(R"("äöü")")) == "string_too_long");  // six bytes
  CHECK(decoder.decode(row(R"("a\u0000")")) == "nul_in_string");
  CHECK(decoder.decode(row("5")) == "wrong_type");
  CHECK(decoder.decode(row("null")) == "wrong_type");
}

TEST_CASE("bools and arrays are exact") {
  auto flag = one("bool");
  CHECK(flag.decode(row("true")) == "");
  CHECK(flag.value<std::uint8_t>("v") == 1);
  CHECK(flag.decode(row("false")) == "");
  CHECK(flag.value<std::uint8_t>("v") == 0);
  CHECK(flag.decode(row("1")) == "wrong_type");
  CHECK(flag.decode(row("\"true\"")) == "wrong_type");

  auto array = one("uint8[2]");
  CHECK(array.decode(row("[1,2]")) == "");
  for (const char* wrong :
       {"[1]", "[1,2,3]", "[]", "1", "{}", "[1,\"2\"]", "[1,2.0]", "[[1],2]", "[1,null]"}) {
    CAPTURE(wrong);
    CHECK(array.decode(row(wrong)) == "wrong_type");
  }
  CHECK(array.decode(row("[1,256]")) == "out_of_range");
  CHECK(array.decode(row("[1,99999999999999999999]")) == "out_of_range");
}

TEST_CASE("messages name the field, what it takes and what was found") {
  auto decoder = one("float64");
  decoder.decode(row(R"("abc")"));
  CHECK(decoder.message() == R"(field "v" (float64): expected a number, found the string "abc")");
  decoder.decode(R"({"v":1})");
  CHECK(decoder.message() == R"(field "k" (uint8) is missing)");
  decoder.decode(R"({"k":256,"v":1})");
  CHECK(decoder.message() == R"(field "k" (uint8): expected an integer from 0 to 255, found the number 256)");
  decoder.decode(row("1e999"));
  CHECK(decoder.message() ==
        R"(field "v" (float64): expected a number within the type's range, found the number 1e999)");
  decoder.decode("[1]");
  CHECK(decoder.message() == "a row must be a JSON object, found an array of 1");
}

TEST_CASE("only numbers that are too large are rewritten") {
  CHECK(!rewrite_big_numbers(R"({"a":18446744073709551615,"b":-9223372036854775808,"c":1e308,"d":"1e999"})"));
  CHECK(rewrite_big_numbers(R"([18446744073709551616,1])") ==
        R"([{"perch:big_number":"18446744073709551616"},1])");
  CHECK(rewrite_big_numbers(R"(["\\",1e999,"\"1e999"])") ==
        R"(["\\",{"perch:big_number":"1e999"},"\"1e999"])");
  for (const char* broken :
       {"[1e999x]", "[01e999]", "[1.e999]", "[-]", "[1e]", "[1e+]", "[\"1e999]", "[\"\\"}) {
    CAPTURE(broken);
    CHECK(!rewrite_big_numbers(broken));
  }
}

}  // namespace ndjson_decoder_test
