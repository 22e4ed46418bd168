// StdinStream: the host's own standard input.
#pragma once

#include "ingest/byte_stream.hpp"

namespace perch::ingest {

/// Asks poll(2) before each read and leaves the descriptor blocking: it may be shared with a shell or
/// terminal.
class StdinStream : public ByteStream {
 public:
  ReadResult read(std::span<char> space) override;
  void wait(const StopSignal& stop) override;
};

}  // namespace perch::ingest
