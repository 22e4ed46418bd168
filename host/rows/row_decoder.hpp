// RowDecoder: the bytes of one stream (a file, a child's output, a connection) into rows of a batch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/line_splitter.hpp"
#include "rows/mapping.hpp"
#include "rows/reject.hpp"
#include "rows/row_batch.hpp"
#include "rows/stamps.hpp"

namespace perch::rows {

enum class Step : std::uint8_t {
  row,       ///< one was taken into the batch
  skipped,   ///< one that feeds no table
  nothing,   ///< an empty line, a header: no row at all
  rejected,  ///< one that is not taken, for the reason in reject()
  more,      ///< the next row needs more bytes
  broken,    ///< what follows cannot be read: reject() says why, and the stream has to be given up
};

/// Not thread safe. Steady state: no heap allocation for rows that are taken.
class RowDecoder {
 public:
  virtual ~RowDecoder() = default;

  /// Where to read to, and that so many bytes were. Ask only when next() wants more.
  virtual std::span<char> space() = 0;
  virtual void added(std::size_t bytes) = 0;
  /// Takes the next row. The batch is not full. After `row` the row's records are open, for the caller to
  /// close; after anything else the batch is as it was.
  virtual Step next(RowBatch& batch) = 0;
  /// The stream is over: takes what is left of it, until `more`. The next bytes are another stream's.
  virtual Step finish(RowBatch& batch) = 0;

  /// What the last step was about, and why it was rejected or broken. Valid until the next call.
  const Line& line() const noexcept { return line_; }
  const Reject& reject() const noexcept { return reject_; }
  /// How many rows were lost with a reject: more than one where a whole frame was.
  std::uint64_t rejected_rows() const noexcept { return rejected_rows_; }

 protected:
  Step refuse(RejectReason reason, std::string message, std::uint64_t rows = 1) {
    reject_ = {reason, std::move(message)};
    rejected_rows_ = rows;
    return Step::rejected;
  }

  Line line_;
  Reject reject_;
  std::uint64_t rejected_rows_ = 1;
};

/// The bytes of text formats: a row is a line.
class LineDecoder : public RowDecoder {
 public:
  std::span<char> space() override { return splitter_.space(); }
  void added(std::size_t bytes) override { splitter_.added(bytes); }
  Step next(RowBatch& batch) override { return splitter_.next(line_) ? take(batch) : Step::more; }
  Step finish(RowBatch& batch) override;

 protected:
  /// line_ is neither blank nor too long.
  virtual Step decode_line(RowBatch& batch) = 0;
  /// Another stream begins.
  virtual void begin_stream() {}

 private:
  Step take(RowBatch& batch);

  LineSplitter splitter_;
};

}  // namespace perch::rows
