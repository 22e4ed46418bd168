// CsvDecoder: rows of separated columns, one a line, into a batch.
//
// RFC 4180 with any separator, but for one thing: a newline always ends a row, in quotes too. So a quote that
// is left open costs one row and not the stream.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "rows/csv_spec.hpp"
#include "rows/mapping.hpp"
#include "rows/row_assembly.hpp"
#include "rows/row_decoder.hpp"

namespace perch::rows {

/// Columns that nobody wants are ignored. An empty column is a missing one, but an empty text for a char[N]
/// without a default. Spaces around numbers are ignored.
class CsvDecoder : public LineDecoder {
 public:
  static constexpr std::size_t columns_max = 4096;

  /// All outlive this.
  CsvDecoder(const CsvSpec& spec, const Mapping& mapping, RowAssembly& assembly);

  // What RowAssembly asks for.
  bool matches(const Mapping::Condition& condition) const;
  bool is_missing(const Mapping::Target& target) const;
  bool store(const Mapping::Target& target, std::byte* out);
  Step missing(const Mapping::Target& target);
  Step nan_in_key();

 private:
  struct Column {
    std::string_view text;
    bool quoted = false;
  };
  static constexpr std::uint32_t no_column = UINT32_MAX;

  Step decode_line(RowBatch& batch) override;
  void begin_stream() override;
  Step take_header();
  void name_columns(const std::vector<std::string>& names);
  bool split();
  bool take_quoted(std::string_view& rest);
  Column column(std::uint32_t input) const;

  const CsvSpec& spec_;
  const Mapping& mapping_;
  RowAssembly& assembly_;
  bool header_is_due_;
  std::vector<std::uint32_t> column_of_;  // by input: its column, no_column when there is none
  std::size_t columns_expected_ = 0;
  std::vector<Column> columns_;  // of the row at hand
  std::string unquoted_;         // texts of columns with doubled quotes; reserved, so that none moves
};

}  // namespace perch::rows
