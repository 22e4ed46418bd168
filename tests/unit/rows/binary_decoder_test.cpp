// Frames of records, as a C program writes them, and every way in which they can be wrong.
#include <perch/feed.h>

#include <random>

#include "unit/rows/decoder_fixture.hpp"

using namespace perch::rows;
using namespace perch::rows::test;
using Rows = std::vector<std::string>;

namespace binary_decoder_test {

struct Row {
  char symbol[8];
  std::uint64_t seq;
  std::int64_t ts;
  double price;
};

constexpr const char* key_layout = "{symbol:char[8]@0;seq:uint64@8}16:8";
constexpr const char* value_layout = "{ts:timestamp_ns@0;price:float64@8}16:8";

template <class T>
std::string bytes_of(const T& thing) {
  return {reinterpret_cast<const char*>(&thing), sizeof thing};
}

std::string header(const char* table = "", const char* key = key_layout, const char* value = value_layout,
                   std::uint32_t record_bytes = sizeof(Row)) {
  std::string out(4096, '\0');
  out.resize(perch_feed_begin(out.data(), out.size(), table, key, value, record_bytes));
  REQUIRE_FALSE(out.empty());
  return out;
}

template <class R>
std::string frame(const std::vector<R>& rows) {
  const auto head = perch_feed_frame_of(rows.data(), static_cast<std::uint32_t>(rows.size()), sizeof(R));
  return bytes_of(head) + std::string(reinterpret_cast<const char*>(rows.data()), rows.size() * sizeof(R));
}

Row row(std::uint64_t seq) {
  Row row{{'A'}, seq, std::int64_t(seq) * 10, double(seq) / 2};
  return row;
}

std::string shown(std::uint64_t seq) {
  return R"(trades {"symbol":"A","seq":)" + std::to_string(seq) + R"(,"ts":)" + std::to_string(seq * 10) +
         R"(,"price":)" + (seq % 2 ? std::to_string(seq / 2) + ".5" : std::to_string(seq / 2) + ".0") + "}";
}

DecoderBench trades() { return {Format::binary, {trades_table()}, {{"trades", {}, {}}}}; }

TEST_CASE("frames arrive whole, however they are cut") {
  const std::string stream = header() + frame(std::vector{row(1), row(2)}) + frame(std::vector<Row>{}) +
                             header("trades") + frame(std::vector{row(3)});
  for (const std::size_t piece : {std::size_t{1}, std::size_t{5}, std::size_t{33}, SIZE_MAX}) {
    DecoderBench bench = trades();
    bench.feed(stream, piece);
    CHECK(bench.rows == Rows{shown(1), shown(2), shown(3)});
    CHECK(bench.rejects.empty());
  }
}

TEST_CASE("the checksum is zlib's") { CHECK(perch_feed_crc32(0, "123456789", 9) == 0xCBF43926u); }

TEST_CASE("another layout is refused with every difference") {
  DecoderBench bench = trades();
  bench.feed(header("", "{symbol:char[4]@0;seq:uint64@8}16:8", "{ts:int64@0;prise:float64@8}16:8") +
             frame(std::vector{row(1)}));
  CHECK(bench.broken);
  CHECK(bench.rejects == Rows{"wrong_layout: the stream's records are not the table's: trades, key field "
                              "symbol: the table has char[8] "
                              "@0, the stream has char[4] @0; trades, value field ts: the table has "
                              "timestamp_ns @0, the stream has "
                              "int64 @0; trades, value field price: the table has float64 @8, the stream has "
                              "none; trades, value field "
                              "prise: the stream has float64 @8, the table has none"});
  for (const auto& [stream, reason] : std::vector<std::pair<std::string, std::string>>{
           {header("trads"), "wrong_layout: this source feeds no table \"trads\""},
           {header("", "{x", "y"), "wrong_layout: the stream's layout is none"},
           {header("", key_layout, value_layout, 40), "wrong_layout: the stream's records have 40 bytes"},
           {frame(std::vector{row(1)}), "bad_frame: a frame before the stream's header"},
           {R"({"symbol":"A","seq":1,"ts":1,"price":1})",
            "bad_frame: the stream does not begin with a header"},
           {header() + "PERCHRIW12345678", "bad_frame: what should be a frame"}}) {
    DecoderBench other = trades();
    other.feed(stream);
    CHECK(other.broken);
    REQUIRE(other.rejects.size() == 1);
    CHECK_MESSAGE(other.rejects[0].starts_with(reason), other.rejects[0]);
  }
}

TEST_CASE("a damaged frame costs its rows and no others") {
  std::string damaged = frame(std::vector{row(2), row(3), row(4)});
  damaged[40] ^= 1;
  DecoderBench bench = trades();
  bench.feed(header() + frame(std::vector{row(1)}) + damaged + frame(std::vector{row(5)}));
  CHECK(bench.rows == Rows{shown(1), shown(5)});
  CHECK(bench.rejected_rows == 3);
  CHECK_FALSE(bench.broken);
  DecoderBench cut = trades();
  cut.feed((header() + frame(std::vector{row(1)})).substr(0, 150));
  CHECK(cut.rows.empty());
  CHECK(cut.rejects == Rows{"bad_frame: the stream ends inside of a frame: its rows are lost"});
  // The one that ends well is followed by another stream.
  cut.feed(header() + frame(std::vector{row(9)}));
  CHECK(cut.rows == Rows{shown(9)});
}

TEST_CASE("records are checked like any rows, and their padding is made zero") {
  struct Checked {
    float x;
    std::uint8_t flag;
    char name[5];
    char gap[2];
    std::int64_t y;
  };
  struct Record {
    std::uint32_t id;
    char gap[4];
    Checked value;
  };
  perch::tables::TableSpec spec{"t",
                                {{"id", "float32"}},
                                {{"x", "float32"}, {"flag", "bool"}, {"name", "char[5]"}, {"y", "int64"}},
                                {}};
  const auto record = [](float id, std::uint8_t flag, const char* name) {
    Record r;
    std::memset(&r, 0xAA, sizeof r);
    std::memcpy(&r.id, &id, sizeof id);
    r.value.x = 1;
    r.value.flag = flag;
    std::memcpy(r.value.name, name, 5);
    r.value.y = 2;
    return r;
  };
  DecoderBench bench(Format::binary, {spec}, {{"t", {}, {}}});
  bench.feed(header("t", "{id:float32@0}4:4", "{x:float32@0;flag:bool@4;name:char[5]@5;y:int64@16}24:8", 32) +
             frame(std::vector{record(1, 1, "abcde"), record(2, 2, "abc\0\0"), record(3, 0, "a\0b\0\0"),
                               record(4, 0, "\xc3\0\0\0\0"), record(__builtin_nanf(""), 0, "a\0\0\0\0"),
                               record(5, 0, "\xc3\xa4\0\0\0")}));
  CHECK(bench.rows == Rows{R"(t {"id":1.0,"x":1.0,"flag":true,"name":"abcde","y":2})",
                           "t {\"id\":5.0,\"x\":1.0,\"flag\":false,\"name\":\"\xc3\xa4\",\"y\":2}"});
  Rows reasons;
  for (const auto& reject : bench.rejects) reasons.push_back(reject.substr(0, reject.find(':')));
  CHECK(reasons == Rows{"wrong_type", "nul_in_string", "not_utf8", "nan_in_key"});
}

TEST_CASE("short texts of every shape are judged as the long way judges them") {
  std::mt19937_64 random(5);
  for (int i = 0; i < 20'000; ++i) {
    Row one = row(1);
    const unsigned length = random() % 9;
    for (unsigned at = 0; at < 8; ++at) one.symbol[at] = at < length ? char('a' + random() % 26) : '\0';
    const bool has_hole = random() % 3 == 0 && length < 8;
    if (has_hole && length < 7) one.symbol[length + 1 + random() % (7 - length)] = 'x';
    const bool is_bad = has_hole && length < 7;
    DecoderBench bench = trades();
    bench.feed(header() + frame(std::vector{one}));
    REQUIRE((bench.rows.size() == 1) == !is_bad);
  }
}

TEST_CASE("one stream may carry rows of several tables") {
  perch::tables::TableSpec other{"other", {{"id", "uint64"}}, {{"v", "uint64"}}, {}};
  struct Other {
    std::uint64_t id, v;
  };
  DecoderBench bench(Format::binary, {trades_table(), other}, {{"trades", {}, {}}, {"other", {}, {}}});
  bench.feed(header() + frame(std::vector{row(1)}) +
             header("other", "{id:uint64@0}8:8", "{v:uint64@0}8:8", 16) + frame(std::vector{Other{7, 8}}) +
             header("trades") + frame(std::vector{row(2)}));
  CHECK(bench.rows == Rows{shown(1), R"(other {"id":7,"v":8})", shown(2)});
}

}  // namespace binary_decoder_test
