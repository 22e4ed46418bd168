// StopSignal: a flag that a thread can also wait for in poll(2).
#pragma once

#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>

#include "base/assert.hpp"
#include "base/unique_fd.hpp"

namespace perch::ingest {

/// Thread safety: any thread. Once requested it stays so.
class StopSignal {
 public:
  StopSignal() : event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    PERCH_ASSERT(event_, "no eventfd: out of file descriptors at start");
  }

  void request() noexcept {
    // seq_cst: a source that sleeps for room in its queue is woken through a Doorbell, and this is the work.
    requested_.store(true, std::memory_order_seq_cst);
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written =
        ::write(event_.get(), &one, sizeof one);  // 8 bytes: whole or not at all
  }
  bool requested() const noexcept { return requested_.load(std::memory_order_seq_cst); }  // see request
  /// Readable from the request on.
  int fd() const noexcept { return event_.get(); }

 private:
  UniqueFd event_;
  std::atomic<bool> requested_{false};
};

}  // namespace perch::ingest
