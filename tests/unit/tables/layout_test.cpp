#include "tables/layout.hpp"

#include <doctest/doctest.h>

#include <cstddef>
#include <random>

#include "unit/test_files.hpp"

using perch::tables::Field;
using perch::tables::FieldSpec;
using perch::tables::FieldType;
using perch::tables::fnv1a_64;
using perch::tables::Layout;
using perch::test::has;

namespace layout_test {

std::string message_of(const std::vector<FieldSpec>& fields, bool arrays_allowed = true) {
  const auto layout = Layout::make(fields, arrays_allowed);
  return layout ? "" : layout.error().message;
}

TEST_CASE("the hash is FNV-1a with its published vectors") {
  // From the reference test suite of the hash (Noll): empty, "a", "foobar".
  CHECK(fnv1a_64("") == 0xcbf29ce484222325);
  CHECK(fnv1a_64("a") == 0xaf63dc4c8601ec8c);
  CHECK(fnv1a_64("foobar") == 0x85944171f73967e8);
  CHECK(fnv1a_64("\xff") != fnv1a_64("\x7f"));
}

TEST_CASE("a layout's text and hash are what the documentation shows") {
  const auto layout = Layout::make({{"ts", "timestamp_ns"}, {"price", "float64"}, {"size", "float64"}}, true);
  REQUIRE(layout);
  CHECK(layout->text() == "{ts:timestamp_ns@0;price:float64@8;size:float64@16}24:8");
  CHECK(layout->hash() == fnv1a_64(layout->text()));
  CHECK(layout->hash_hex().size() == 16);
  CHECK(std::stoull(layout->hash_hex(), nullptr, 16) == layout->hash());
}

TEST_CASE("fields lie as C lays out the same struct") {
  struct Mixed {
    bool flag;
    double wide;
    char text[3];
    std::int16_t shorts[5];
    std::uint8_t small;
    float narrow;
    std::int64_t time;
    char last;
  };
  const auto layout = Layout::make({{"flag", "bool"},
                                    {"wide", "float64"},
                                    {"text", "char[3]"},
                                    {"shorts", "int16[5]"},
                                    {"small", "uint8"},
                                    {"narrow", "float32"},
                                    {"time", "timestamp_ns"},
                                    {"last", "char[1]"}},
                                   true);
  REQUIRE(layout);
  CHECK(layout->find("wide")->offset == offsetof(Mixed, wide));
  CHECK(layout->find("text")->offset == offsetof(Mixed, text));
  CHECK(layout->find("shorts")->offset == offsetof(Mixed, shorts));
  CHECK(layout->find("small")->offset == offsetof(Mixed, small));
  CHECK(layout->find("narrow")->offset == offsetof(Mixed, narrow));
  CHECK(layout->find("time")->offset == offsetof(Mixed, time));
  CHECK(layout->find("last")->offset == offsetof(Mixed, last));
  CHECK(layout->size() == sizeof(Mixed));
  CHECK(layout->align() == alignof(Mixed));
  CHECK(layout->find("shorts")->size() == 10);
  CHECK(layout->find("nothing") == nullptr);
}

TEST_CASE("wrong fields are refused by name") {
  CHECK(has(message_of({}), "at least one field"));
  CHECK(has(message_of({{"", "int8"}}), "''"));
  CHECK(has(message_of({{"1st", "int8"}}), "'1st'"));
  CHECK(has(message_of({{"a-b", "int8"}}), "'a-b'"));
  CHECK(has(message_of({{std::string(65, 'x'), "int8"}}), "at most 64"));
  CHECK(message_of({{std::string(64, 'x'), "int8"}}).empty());
  CHECK(has(message_of({{"a", "int8"}, {"b", "int8"}, {"a", "bool"}}), "'a' is there twice"));
  CHECK(has(message_of({{"a", "flaot64"}}), "did you mean 'float64'?"));
  CHECK(has(message_of({{"a", "string"}}), "unknown type 'string'"));
  for (const char* type :
       {"char", "char[]", "char[0]", "char[08]", "char[+8]", "char[8", "char[8]x", "char[ 8]", "char[-1]",
        "char[4097]", "char[18446744073709551617]", "bool[2]", "timestamp_ns[2]", "Int8", "int8 ", ""}) {
    CAPTURE(type);
    CHECK(has(message_of({{"a", type}}), "unknown type"));
  }
  CHECK(has(message_of({{"a", "int8[2]"}}, false), "cannot be part of a key"));
  CHECK(message_of({{"a", "char[2]"}}, false).empty());
}

TEST_CASE("a record has at most 4096 bytes, padding included") {
  CHECK(message_of({{"a", "char[4096]"}}).empty());
  CHECK(message_of({{"a", "float64[512]"}}).empty());
  CHECK(has(message_of({{"a", "char[4096]"}, {"b", "bool"}}), "'b'"));
  CHECK(has(message_of({{"a", "float64[511]"}, {"b", "char[8]"}, {"c", "bool"}}), "4096 bytes"));
  CHECK(has(message_of({{"a", "float64"}, {"b", "char[4089]"}}), "4096 bytes"));
}

TEST_CASE("random layouts read back from their text") {
  std::mt19937 random(7);
  const std::vector<std::string> types{"int8",   "int16",        "int32",   "int64",   "uint8",
                                       "uint16", "uint32",       "uint64",  "float32", "float64",
                                       "bool",   "timestamp_ns", "char[7]", "int32[3]"};
  for (int round = 0; round < 2000; ++round) {
    std::vector<FieldSpec> fields;
    const std::size_t count = 1 + random() % 12;
    for (std::size_t i = 0; i < count; ++i)
      fields.push_back({"f" + std::to_string(i), types[random() % types.size()]});
    const auto made = Layout::make(fields, true);
    REQUIRE(made);
    const auto parsed = Layout::parse(made->text());
    REQUIRE(parsed);
    CHECK(parsed->text() == made->text());
    CHECK(parsed->hash() == made->hash());
    CHECK(parsed->size() == made->size());
    REQUIRE(parsed->fields().size() == count);
    for (std::size_t i = 0; i < count; ++i) {
      CHECK(parsed->fields()[i].type_text() == fields[i].type);
      CHECK(parsed->fields()[i].offset == made->fields()[i].offset);
    }
  }
}

TEST_CASE("only canonical text is a layout") {
  REQUIRE(Layout::parse("{a:int8@0;b:int32@4}8:4"));
  for (const char* text : {"",
                           "{",
                           "}",
                           "{}",
                           "{}0:1",
                           "a:int8@0",
                           "{a:int8@0}",
                           "{a:int8@0}1",
                           "{a:int8@0}1:",
                           "{a:int8@0}1:1 ",
                           "{a:int8@0}1:1\n",
                           " {a:int8@0}1:1",
                           "{a:int8@0;}1:1",
                           "{;a:int8@0}1:1",
                           "{a:int8}1:1",
                           "{a@0:int8}1:1",
                           "{a:int8@}1:1",
                           "{a:int8@00}1:1",
                           "{a:int8@+0}1:1",
                           "{a:int8@-0}1:1",
                           "{a:int8@0x0}1:1",
                           "{a:int8@0}2:1",
                           "{a:int8@0}1:2",
                           "{a:int8@0}01:1",
                           "{a:int8@1}2:1",
                           "{a:int8@0;b:int32@1}8:4",
                           "{a:int8@0;b:int32@8}12:4",
                           "{a:int8@0;b:int32@4}16:4",
                           "{b:int32@4;a:int8@0}8:4",
                           "{a:int32@0;b:int32@2}8:4",
                           "{a:int8@0;a:int8@1}2:1",
                           "{a:int8@18446744073709551616}1:1",
                           "{a:int8@0}4294967297:1",
                           "{a:int8[0]@0}0:1",
                           "{a:int8[99999]@0}99999:1",
                           "{a:char@0}1:1",
                           "{a:void*@0}8:8",
                           "{a b:int8@0}1:1",
                           "{a:int8@0}1:1}",
                           "{a:int8@0}}1:1",
                           "{{a:int8@0}1:1"}) {
    CAPTURE(text);
    CHECK_FALSE(Layout::parse(text));
  }
}

TEST_CASE("the message of a wrong text says where it is wrong") {
  CHECK(has(Layout::parse("{a:int8@0;b:int32@1}8:4").error().message, "field 'b' is at offset '1'"));
  CHECK(has(Layout::parse("{a:int8@0;b:int32@4}12:4").error().message, "'12:4', the fields give '8:4'"));
  CHECK(has(Layout::parse("{a:int8@0;b:in\tt@4}12:4").error().message, "unknown type 'in?t'"));
  CHECK(Layout::parse("{" + std::string(50'000, 'x')).error().message.size() < 300);
}

TEST_CASE("damaged texts are refused or are canonical, and large ones cost little") {
  std::mt19937 random(11);
  const std::string good = "{symbol:char[8]@0;seq:uint64@8;weights:float32[6]@16;ok:bool@40}48:8";
  REQUIRE(Layout::parse(good));
  int accepted = 0;
  for (int round = 0; round < 100'000; ++round) {
    std::string text = good;
    for (std::uint32_t edits = 1 + random() % 3; edits > 0; --edits) {
      const std::size_t at = random() % text.size();
      switch (random() % 3) {
        case 0:
          text[at] = static_cast<char>(random() % 256);
          break;
        case 1:
          text.erase(at, 1 + random() % 4);
          break;
        default:
          text.insert(at, 1, good[random() % good.size()]);
          break;
      }
      if (text.empty()) text = "{";
    }
    const auto parsed = Layout::parse(text);
    if (!parsed) continue;
    ++accepted;
    CHECK(parsed->text() == text);
  }
  CHECK(accepted > 0);  // a letter of a name may change

  std::string many = "{";
  for (int i = 0; many.size() < 65'000; ++i)
    many += "f" + std::to_string(i) + ":int8@" + std::to_string(i) + ";";
  CHECK_FALSE(Layout::parse(many + "}1:1"));
  CHECK_FALSE(Layout::parse("{" + std::string(65'000, ';') + "}1:1"));
  CHECK_FALSE(Layout::parse(std::string(70'000, '{')));
  CHECK_FALSE(Layout::parse("{" + std::string(65'000, ':')));
}

TEST_CASE("every layout that can be made can be read back: its text has a bound") {
  std::vector<FieldSpec> fields;
  for (int i = 0; i < 4000; ++i) {
    std::string name = std::to_string(i);
    fields.push_back({std::string(64 - name.size(), 'n') + name, "int8"});
  }
  CHECK(has(message_of(fields), "65536"));
  fields.resize(800);
  const auto layout = Layout::make(fields, true);
  REQUIRE(layout);
  CHECK(Layout::parse(layout->text()));
}

}  // namespace layout_test
