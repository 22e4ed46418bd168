// InputLoop: how a source's thread gets its bytes.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "base/clock.hpp"
#include "base/listening_socket.hpp"
#include "base/result.hpp"
#include "ingest/ingest.hpp"
#include "ingest/row_intake.hpp"

namespace perch::ingest {

/// When a loop asks how much there is to be read: that is a system call, so not for every read.
class LagTimer {
 public:
  bool is_due() noexcept {
    constexpr std::int64_t period_ns = 20'000'000;
    const std::int64_t now = steady_now_ns();
    if (now - last_ns_ < period_ns) return false;
    last_ns_ = now;
    return true;
  }

 private:
  std::int64_t last_ns_ = 0;
};

class InputLoop {
 public:
  virtual ~InputLoop() = default;
  /// On the thread that makes the source. Errors name what could not be opened.
  virtual Result<void> open() = 0;
  /// Before it runs, on the thread that starts the source: what was handed on is its own from now on.
  virtual void take_over() {}
  /// On the source's thread, until the input is over or the stop is requested. Leaves nothing open.
  virtual void run(RowIntake& intake) = 0;
  /// The socket that a listener listens on, for the one that takes its place; empty: it has none.
  virtual Result<ListeningSocket> copy_socket() const { return ListeningSocket(); }
};

/// `socket`: of the source that this one takes the place of; may be empty.
std::unique_ptr<InputLoop> make_input_loop(const SourceSpec& spec, ListeningSocket socket);

}  // namespace perch::ingest
