// BinaryDecoder: frames of records, as perch/feed.h describes them, into a batch.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/input_buffer.hpp"
#include "rows/mapping.hpp"
#include "rows/row_decoder.hpp"

namespace perch::rows {

/// Rows are checked like any others: bool is 0 or 1, texts are UTF-8 and zero behind their end, no NaN in a
/// key. Padding is made zero.
class BinaryDecoder : public RowDecoder {
 public:
  /// Both outlive this. No feed has conditions or a map.
  BinaryDecoder(const Mapping& mapping, Stamps& stamps);

  std::span<char> space() override { return buffer_.space(); }
  void added(std::size_t bytes) override { buffer_.added(bytes); }
  Step next(RowBatch& batch) override;
  Step finish(RowBatch& batch) override;

 private:
  /// A stretch of a record that does not hold just any bytes.
  struct Check {
    const tables::Field* field;
    std::uint32_t offset;  ///< in the record
  };
  /// A table's records in the stream.
  struct RecordPlan {
    tables::TablePtr table;
    std::uint32_t value_offset = 0;
    std::uint32_t record_bytes = 0;
    std::vector<Check> checks;
    /// What of a value is padding: [first, second).
    std::vector<std::pair<std::uint32_t, std::uint32_t>> padding;
  };

  static RecordPlan plan_for(const tables::TablePtr& table);
  Step take_head();
  Step take_header();
  Step take_frame();
  Step take_record(RowBatch& batch);
  Step broken(RejectReason reason, std::string message);
  bool check_record(const RecordPlan& plan, const std::byte* record);
  void consume(std::size_t bytes) noexcept;
  void set_line(std::string_view text) noexcept;

  Stamps& stamps_;
  InputBuffer buffer_;
  std::vector<RecordPlan> plans_;  // by feed
  std::int32_t feed_ = -1;         // whose records come; -1: no header yet
  std::uint32_t rows_left_ = 0;    // of the frame at hand
  std::uint64_t position_ = 0;
};

/// Every difference between the records that a stream has and those of the table, a line each.
std::vector<std::string> record_differences(const tables::Layout& stream, const tables::Layout& table,
                                            const std::string& record);

}  // namespace perch::rows
