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
  void give_up(const std::string& reason) override;
  std::uint64_t bytes_waiting() const override;

 private:
  std::string given_up_;
};

}  // namespace perch::ingest
