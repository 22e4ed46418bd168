// Streams of good and bad rows, cut anywhere, through each format's decoder: every bad row is rejected for
// its reason, every good one is taken with its values. 100,000 rows a format, ten million with PERCH_SOAK.
#include "row_fuzz.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <deque>

#include "rows/row_format.hpp"

using namespace perch;
using namespace perch::fuzz;
using namespace perch::rows;

namespace row_fuzz_test {

class Stream {
 public:
  explicit Stream(Format format)
      : catalog_(*tables::Catalog::make({fuzzed_table()})),
        format_(format, {}, *Mapping::make({{"rows", {}, {}}}, catalog_)),
        decoder_(format_.make_decoder()),
        batch_(format_.shapes()) {}

  /// Feeds a piece; what should come of its rows is at the front of `expected`.
  void feed(std::string_view piece, std::deque<FuzzedRow>& expected) {
    while (!piece.empty()) {
      const auto space = decoder_->space();
      const std::size_t count = std::min(space.size(), piece.size());
      std::memcpy(space.data(), piece.data(), count);
      decoder_->added(count);
      piece.remove_prefix(count);
      take(expected);
    }
  }

 private:
  void take(std::deque<FuzzedRow>& expected) {
    for (;;) {
      batch_.begin(0);
      const Step step = decoder_->next(batch_);
      if (step == Step::more) return;
      if (step == Step::nothing) continue;
      REQUIRE_FALSE(expected.empty());
      const FuzzedRow row = std::move(expected.front());
      expected.pop_front();
      const std::string found = step == Step::row ? "" : rows::name(decoder_->reject().reason);
      REQUIRE_MESSAGE(found == row.reason, row.bytes << " " << decoder_->reject().message);
      if (step == Step::row) check(row);
    }
  }

  void check(const FuzzedRow& row) {
    batch_.close_row(0);
    const RowBatch::Record record = batch_.record(0);
    const auto value = [&](std::uint32_t offset, auto& out) {
      std::memcpy(&out, record.value + offset, sizeof out);
    };
    double ratio;
    std::int64_t when;
    char name[12];
    char gap[4];
    std::uint8_t flag;
    value(0, ratio);
    value(8, name);
    value(20, gap);
    value(24, when);
    value(32, flag);
    REQUIRE(*record.key == row.id);
    REQUIRE(std::bit_cast<std::uint64_t>(ratio) == std::bit_cast<std::uint64_t>(row.ratio));
    REQUIRE(std::string(name, strnlen(name, sizeof name)) == row.name);
    REQUIRE(std::string_view(gap, sizeof gap) == std::string_view("\0\0\0\0", 4));
    REQUIRE(when == row.when);
    REQUIRE(flag == (row.flag ? 1 : 0));
  }

  tables::Catalog catalog_;
  RowFormat format_;
  std::unique_ptr<rows::RowDecoder> decoder_;
  RowBatch batch_;
};

void feed_rows(rows::Format format) {
  const std::uint64_t rows = std::getenv("PERCH_SOAK") ? 10'000'000 : 100'000;
  std::mt19937_64 random(17);
  Stream stream(format);
  std::deque<FuzzedRow> expected;
  std::uint64_t bad = 0;
  stream.feed(stream_begin(format), expected);
  std::string piece;
  for (std::uint64_t id = 0; id < rows; ++id) {
    expected.push_back(make_row(format, id, random));
    piece += expected.back().bytes;
    bad += expected.back().reason.empty() ? 0 : 1;
    if (random() % 16 != 0) continue;
    // A part of what there is, so that rows are cut anywhere.
    const std::size_t part = random() % (piece.size() + 1);
    stream.feed(std::string_view(piece).substr(0, part), expected);
    piece.erase(0, part);
  }
  stream.feed(piece, expected);
  CHECK(expected.empty());
  CHECK(bad > rows / 20);
}

TEST_CASE("ndjson: every bad row for its reason, every good row in") { feed_rows(Format::ndjson); }
TEST_CASE("csv: every bad row for its reason, every good row in") { feed_rows(Format::csv); }
TEST_CASE("binary: every bad row for its reason, every good row in") { feed_rows(Format::binary); }

}  // namespace row_fuzz_test
