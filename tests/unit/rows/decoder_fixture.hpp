// What the decoders' tests share: a format with its tables, fed in pieces, its rows and rejects read back.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "rows/row_format.hpp"
#include "tables/catalog.hpp"
#include "tables/record_json.hpp"

namespace perch::rows::test {

class DecoderBench {
 public:
  DecoderBench(Format format, std::vector<tables::TableSpec> tables, std::vector<FeedSpec> feeds,
               CsvSpec csv = {})
      : catalog_(*tables::Catalog::make(tables)),
        format_(format, std::move(csv), make_mapping(feeds, catalog_)),
        decoder_(format_.make_decoder()) {
    format_.stamps().read_at(1000);
  }

  /// Feeds a whole stream in pieces of `piece` bytes, and ends it.
  void feed(std::string_view bytes, std::size_t piece = SIZE_MAX) {
    for (std::size_t at = 0; at < bytes.size() && !broken;) {
      const auto space = decoder_->space();
      const std::size_t count = std::min({piece, space.size(), bytes.size() - at});
      std::memcpy(space.data(), bytes.data() + at, count);
      decoder_->added(count);
      at += count;
      take(false);
    }
    take(true);
  }

  /// "table {json}" for each record, row after row.
  std::vector<std::string> rows;
  /// "reason: message" for each reject.
  std::vector<std::string> rejects;
  std::uint64_t rejected_rows = 0;
  std::uint64_t skipped = 0;
  bool broken = false;

 private:
  static Mapping make_mapping(const std::vector<FeedSpec>& feeds, const tables::Catalog& catalog) {
    auto made = Mapping::make(feeds, catalog);
    REQUIRE_MESSAGE(made.has_value(), (made ? "" : made.error().message));
    return std::move(*made);
  }

  void take(bool at_end) {
    for (;;) {
      rows::RowBatch batch(format_.shapes());
      batch.begin(0);
      const Step step = at_end ? decoder_->finish(batch) : decoder_->next(batch);
      if (step == Step::more) return;
      if (step == Step::skipped) ++skipped;
      if (step == Step::rejected || step == Step::broken) {
        rejects.push_back(std::string(rows::name(decoder_->reject().reason)) + ": " +
                          decoder_->reject().message);
        rejected_rows += decoder_->rejected_rows();
      }
      if (step == Step::broken) {
        broken = true;
        return;
      }
      if (step != Step::row) {
        CHECK(batch.size() == 0);
        continue;
      }
      batch.close_row(decoder_->line().end);
      show(batch);
    }
  }

  void show(const RowBatch& batch) {
    REQUIRE(batch.size() == 1);
    for (std::uint32_t index = batch.record_begin(0); index < batch.record_begin(1); ++index) {
      const RowBatch::Record record = batch.record(index);
      const tables::Table& table = *format_.mapping().feeds()[record.feed].table;
      std::vector<std::byte> key(table.key().size());
      table.codec().decode(record.key, key.data());
      rows.push_back(table.name() + " " + tables::row_json(table, key.data(), record.value));
    }
  }

  tables::Catalog catalog_;
  RowFormat format_;
  std::unique_ptr<rows::RowDecoder> decoder_;
};

inline tables::TableSpec trades_table() {
  return {"trades",
          {{"symbol", "char[8]"}, {"seq", "uint64"}},
          {{"ts", "timestamp_ns"}, {"price", "float64"}},
          {}};
}

}  // namespace perch::rows::test
