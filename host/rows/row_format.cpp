#include "rows/row_format.hpp"

#include <utility>

#include "base/assert.hpp"
#include "rows/binary_decoder.hpp"
#include "rows/csv_decoder.hpp"

namespace perch::rows {

const char* to_string(Format format) noexcept {
  switch (format) {
    case Format::ndjson:
      return "ndjson";
    case Format::csv:
      return "csv";
    case Format::binary:
      return "binary";
  }
  PERCH_ASSERT(false, "a format without a name");
}

RowFormat::RowFormat(Format format, CsvSpec csv, Mapping mapping)
    : format_(format),
      csv_(std::move(csv)),
      mapping_(std::move(mapping)),
      assembly_(mapping_, stamps_),
      ndjson_(mapping_, stamps_) {}

std::unique_ptr<RowDecoder> RowFormat::make_decoder() {
  switch (format_) {
    case Format::ndjson:
      return std::make_unique<NdjsonDecoder>(ndjson_);
    case Format::csv:
      return std::make_unique<CsvDecoder>(csv_, mapping_, assembly_);
    case Format::binary:
      return std::make_unique<BinaryDecoder>(mapping_, stamps_);
  }
  PERCH_ASSERT(false, "a format without a decoder");
}

std::vector<RecordShape> RowFormat::shapes() const {
  std::vector<RecordShape> shapes;
  for (const Mapping::Feed& feed : mapping_.feeds())
    shapes.push_back({feed.table->codec().words(), feed.table->value().size()});
  return shapes;
}

}  // namespace perch::rows
