// InputLoop: how a source's thread gets its bytes.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "base/result.hpp"
#include "base/unique_fd.hpp"
#include "ingest/ingest.hpp"
#include "ingest/row_intake.hpp"

namespace perch::ingest {

/// How often a loop asks how much there is to be read: that is a system call, so not for every read.
inline constexpr std::int64_t lag_period_ns = 20'000'000;

class InputLoop {
 public:
  virtual ~InputLoop() = default;
  /// On the thread that makes the source. Errors name what could not be opened.
  virtual Result<void> open() = 0;
  /// On the source's thread, until the input is over or the stop is requested. Leaves nothing open.
  virtual void run(RowIntake& intake) = 0;
  /// The socket that a listener listens on, for the one that takes its place; none: it has none.
  virtual UniqueFd copy_socket() const { return {}; }
  /// Before it runs: a socket that was handed on is its own from now on, file and all.
  virtual void own_socket_file() {}
  /// Before the end: the socket's file is another's from now on.
  virtual void leave_socket_file() {}
};

/// `socket`: of the source that this one takes the place of.
std::unique_ptr<InputLoop> make_input_loop(const SourceSpec& spec, UniqueFd socket);

}  // namespace perch::ingest
