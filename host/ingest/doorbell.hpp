// Doorbell: one thread sleeps until there is work, others ring when they have made some. Ringing costs one
// load while nobody sleeps, and a system call (1–2 µs, the sleeper runs 25 µs later) when somebody does.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>

#include "base/futex.hpp"

namespace perch::ingest {

/// Thread safety: `sleep` is for one thread, `ring` for any.
///
/// Invariants
///   1. No ring is lost. The ringer stores its work, then loads `state_`; the sleeper stores `state_`, then
///   loads the
///      work (in `nothing_to_do`). This is Dekker's pattern: all four accesses have to be sequentially
///      consistent, so that at least one side sees the other's store. The work must therefore be published by
///      a seq_cst store.
///   2. No sleep is longer than sleep_max, whatever happens.
class Doorbell {
 public:
  static constexpr std::chrono::nanoseconds sleep_max = std::chrono::milliseconds(500);

  template <class NothingToDo>
  void sleep(NothingToDo nothing_to_do, std::chrono::nanoseconds timeout = sleep_max) {
    state_.store(sleeping, std::memory_order_seq_cst);  // invariant 1
    if (nothing_to_do() && timeout.count() > 0)
      futex_wait_private(state_, sleeping, std::min(timeout, sleep_max));
    // relaxed: a ringer that still sees `sleeping` makes one needless system call, no more.
    state_.store(awake, std::memory_order_relaxed);
  }

  void ring() noexcept {
    if (state_.load(std::memory_order_seq_cst) != sleeping) return;  // invariant 1
    // relaxed: the exchange only chooses the one ringer that makes the system call; the work was published
    // before.
    if (state_.exchange(awake, std::memory_order_relaxed) == sleeping) futex_wake_one_private(state_);
  }

 private:
  static constexpr std::uint32_t awake = 0;
  static constexpr std::uint32_t sleeping = 1;
  alignas(64) std::atomic<std::uint32_t> state_{awake};
};

}  // namespace perch::ingest
