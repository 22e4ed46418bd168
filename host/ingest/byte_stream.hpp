// ByteStream: where a source's bytes come from. One interface, so that faults can be injected in tests.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "base/result.hpp"
#include "ingest/ingest.hpp"
#include "ingest/stop_signal.hpp"

namespace perch::ingest {

enum class SourceState : std::uint8_t { starting, reading, waiting, restarting, ended, failed };
const char* to_string(SourceState state) noexcept;

enum class ReadKind : std::uint8_t {
  data,       ///< `bytes` were read, at least one
  idle,       ///< nothing now
  run_ended,  ///< the input is over and begins anew (child ended, file truncated or replaced); positions
              ///< begin at 0
  ended,      ///< over for good
  failed,     ///< over for good, with `error`
};

struct ReadResult {
  ReadKind kind = ReadKind::idle;
  std::size_t bytes = 0;
  std::string error;  ///< also with run_ended, when the run ended badly
};

/// For the source's thread alone. The destructor releases everything (ends children, closes files).
class ByteStream {
 public:
  virtual ~ByteStream() = default;

  /// Reads what is there now; does not block. After `ended` or `failed` not called again.
  virtual ReadResult read(std::span<char> space) = 0;
  /// Returns when a read may bring more than `idle`, or at once when the stop was requested. May return
  /// early.
  virtual void wait(const StopSignal& stop) = 0;
  /// What was read makes no sense: ends the run, or all of it where nothing else can come, with this reason.
  virtual void give_up(const std::string& reason) = 0;
  /// Bytes that are there to be read, where the system can tell; else 0.
  virtual std::uint64_t bytes_waiting() const = 0;
  /// What an idle stream is doing: waiting or restarting.
  virtual SourceState idle_state() const { return SourceState::waiting; }
};

/// The stream that a spec describes, opened. Errors name what could not be opened.
Result<std::unique_ptr<ByteStream>> open_stream(const SourceSpec& spec);

/// What a pipe, socket or terminal holds (FIONREAD); 0 where it cannot tell.
std::uint64_t readable_bytes(int descriptor) noexcept;

}  // namespace perch::ingest
