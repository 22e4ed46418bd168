#include "rows/row_decoder.hpp"

namespace perch::rows {

Step LineDecoder::finish(RowBatch& batch) {
  if (splitter_.finish(line_)) return take(batch);  // a last line without a newline is a row
  begin_stream();
  return Step::more;
}

Step LineDecoder::take(RowBatch& batch) {
  if (line_.too_long) {
    return refuse(RejectReason::row_too_long,
                  "the row has " + std::to_string(line_.bytes) + " bytes, at most " +
                      std::to_string(LineSplitter::line_bytes_max_default) + " are taken");
  }
  if (line_.text.find_first_not_of(" \t\r") == std::string_view::npos) return Step::nothing;
  const Step step = decode_line(batch);
  if (step != Step::row) batch.abandon_row();
  return step;
}

}  // namespace perch::rows
