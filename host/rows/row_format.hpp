// RowFormat: what the streams of one source share to turn bytes into rows, whatever the format.
#pragma once

#include <memory>

#include "rows/csv_spec.hpp"
#include "rows/format.hpp"
#include "rows/mapping.hpp"
#include "rows/ndjson_decoder.hpp"
#include "rows/row_assembly.hpp"
#include "rows/row_decoder.hpp"
#include "rows/stamps.hpp"

namespace perch::rows {

/// For the source's thread alone.
class RowFormat {
 public:
  RowFormat(Format format, CsvSpec csv, Mapping mapping);

  /// For one stream; outlived by this.
  std::unique_ptr<RowDecoder> make_decoder();
  Stamps& stamps() noexcept { return stamps_; }
  const Mapping& mapping() const noexcept { return mapping_; }
  /// The records of a batch.
  std::vector<RecordShape> shapes() const;

 private:
  const Format format_;
  const CsvSpec csv_;
  const Mapping mapping_;
  Stamps stamps_;
  RowAssembly assembly_;
  NdjsonRows ndjson_;
};

}  // namespace perch::rows
