// StreamLoop: one stream of bytes after the other: a file, a child's output, standard input.
#pragma once

#include <memory>

#include "ingest/byte_stream.hpp"
#include "ingest/input_loop.hpp"

namespace perch::ingest {

class StreamLoop : public InputLoop {
 public:
  explicit StreamLoop(const SourceSpec& spec) : spec_(spec) {}
  Result<void> open() override;
  void run(RowIntake& intake) override;

 private:
  void pump(RowIntake& intake, rows::RowDecoder& decoder);
  void end_run(RowIntake& intake, rows::RowDecoder& decoder, const std::string& error);
  void look_at_lag(RowIntake& intake);

  const SourceSpec& spec_;
  std::unique_ptr<ByteStream> stream_;
  StreamPosition position_;
  LagTimer lag_timer_;
};

}  // namespace perch::ingest
