#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

#include "records.hpp"
#include "tables/layout.hpp"

namespace layout_test {

static_assert(perch::layout_text<trades::Key>() == "{symbol:char[8]@0;seq:uint64@8}16:8");
static_assert(perch::layout_text<trades::Value>() ==
              "{ts:timestamp_ns@0;price:float64@8;size:float64@16}24:8");
static_assert(perch::detail::fnv1a_64("") == 0xcbf29ce484222325);
static_assert(perch::detail::fnv1a_64("foobar") == 0x85944171f73967e8);  // of the FNV test vectors

/// A record of 64 fields: the most that PERCH_LAYOUT takes.
struct Wide {
  std::uint16_t a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, b0, b1, b2, b3, b4, b5, b6, b7, b8, b9, c0, c1, c2,
      c3, c4, c5, c6, c7, c8, c9, d0, d1, d2, d3, d4, d5, d6, d7, d8, d9, e0, e1, e2, e3, e4, e5, e6, e7, e8,
      e9, f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, g0, g1, g2, g3;
};
PERCH_LAYOUT(Wide, a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, b0, b1, b2, b3, b4, b5, b6, b7, b8, b9, c0, c1, c2,
             c3, c4, c5, c6, c7, c8, c9, d0, d1, d2, d3, d4, d5, d6, d7, d8, d9, e0, e1, e2, e3, e4, e5, e6,
             e7, e8, e9, f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, g0, g1, g2, g3)

using Fields = std::vector<perch::tables::FieldSpec>;

/// The compiler's layout and the host's must be the same text and the same hash.
template <class Record>
void check_like_host(const Fields& fields) {
  const auto host = perch::tables::Layout::make(fields, true);
  REQUIRE(host.has_value());
  CHECK(std::string(perch::layout_text<Record>()) == host->text());
  CHECK(perch::layout_hash<Record>() == host->hash());
  CHECK(std::string(perch::detail::hash_hex(perch::layout_hash<Record>()).view()) == host->hash_hex());
  CHECK(sizeof(Record) == host->size());
  CHECK(alignof(Record) == host->align());
}

TEST_CASE("a struct's layout is the layout that the host makes of the same fields") {
  check_like_host<trades::Key>({{"symbol", "char[8]"}, {"seq", "uint64"}});
  check_like_host<trades::Value>({{"ts", "timestamp_ns"}, {"price", "float64"}, {"size", "float64"}});
  check_like_host<processes::Key>({{"ts", "timestamp_ns"}, {"pid", "uint32"}});
  check_like_host<processes::Value>({{"name", "char[32]"},
                                     {"cpu_percent", "float64"},
                                     {"rss_bytes", "uint64"},
                                     {"read_bytes", "uint64"},
                                     {"written_bytes", "uint64"},
                                     {"threads", "uint32"}});
  check_like_host<everything::Key>({{"a", "int8"},
                                    {"b", "uint16"},
                                    {"c", "int32"},
                                    {"d", "bool"},
                                    {"e", "timestamp_ns"},
                                    {"f", "char[3]"},
                                    {"g", "float32"}});
  check_like_host<everything::Value>({{"raw", "char[5]"},
                                      {"text", "char[2]"},
                                      {"small", "uint8"},
                                      {"whole", "int64"},
                                      {"array", "uint16[3]"},
                                      {"matrix_row", "float32[3]"},
                                      {"flag", "bool"},
                                      {"when", "timestamp_ns"},
                                      {"last", "float64"}});
}

TEST_CASE("a record may have 64 fields") {
  Fields fields;
  for (int i = 0; i < 64; ++i) {
    fields.push_back({std::string(1, static_cast<char>('a' + i / 10)) + std::to_string(i % 10), "uint16"});
  }
  check_like_host<Wide>(fields);
}

TEST_CASE("chars hold text up to their size and refuse more") {
  perch::chars<4> text{};
  CHECK(text.view().empty());
  text = "abcd";
  CHECK(text.view() == "abcd");
  text = "x";
  CHECK(text.view() == "x");
  CHECK(text.bytes[1] == '\0');
  CHECK(text.bytes[3] == '\0');
  CHECK(text == "x");
  CHECK_THROWS_AS(text = "abcde", std::length_error);
  CHECK(text == "x");
  CHECK(perch::chars<4>{"b"} < perch::chars<4>{"\xc3\xa4"});  // bytes are compared unsigned, as in keys
}

TEST_CASE("timestamps count in nanoseconds") {
  constexpr perch::timestamp_ns start{1'000};
  static_assert((start + std::chrono::microseconds(2)).ns == 3'000);
  static_assert((start + std::chrono::microseconds(2)) - start == std::chrono::nanoseconds(2'000));
  static_assert(start - std::chrono::microseconds(2) < start);
}

}  // namespace layout_test
