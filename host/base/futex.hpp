// The futex calls, see futex(2): "private" ones for a word that one process uses, "shared" ones for a word in
// memory that several processes map. A waiter and its waker take the same kind.
#pragma once

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <climits>
#include <cstdint>
#include <ctime>

namespace perch {

using FutexWord = std::atomic<std::uint32_t>;
static_assert(sizeof(FutexWord) == 4, "the kernel sees the plain word");

inline timespec to_timespec(std::chrono::nanoseconds time) noexcept {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(time);
  return {seconds.count(), (time - seconds).count()};
}

/// Sleeps while `word` holds `expected`, at most `timeout`. May return early.
inline void futex_wait_private(const FutexWord& word, std::uint32_t expected,
                               std::chrono::nanoseconds timeout) noexcept {
  const timespec relative = to_timespec(timeout);
  ::syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, expected, &relative, nullptr, 0);
}

/// As futex_wait_private.
inline void futex_wait_shared(const FutexWord& word, std::uint32_t expected,
                              std::chrono::nanoseconds timeout) noexcept {
  const timespec relative = to_timespec(timeout);
  ::syscall(SYS_futex, &word, FUTEX_WAIT, expected, &relative, nullptr, 0);
}

/// Sleeps while both words are as expected: futex_waitv(2), Linux 5.16. False: this kernel has no such call.
inline bool futex_wait_both_shared(const FutexWord& first, std::uint32_t first_expected,
                                   const FutexWord& second, std::uint32_t second_expected,
                                   std::chrono::nanoseconds timeout) noexcept {
  futex_waitv waits[2]{};
  waits[0].uaddr = reinterpret_cast<std::uintptr_t>(&first);
  waits[0].val = first_expected;
  waits[0].flags = FUTEX_32;
  waits[1].uaddr = reinterpret_cast<std::uintptr_t>(&second);
  waits[1].val = second_expected;
  waits[1].flags = FUTEX_32;
  // The call takes the time at which to give up. steady_clock is CLOCK_MONOTONIC.
  const std::chrono::nanoseconds now = std::chrono::steady_clock::now().time_since_epoch();
  const timespec until = to_timespec(now + std::min(timeout, std::chrono::nanoseconds::max() - now));
  return ::syscall(SYS_futex_waitv, waits, 2, 0, &until, CLOCK_MONOTONIC) >= 0 ||
         (errno != ENOSYS && errno != EPERM);
}

inline void futex_wake_one_private(const FutexWord& word) noexcept {
  ::syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
}

inline void futex_wake_all_shared(const FutexWord& word) noexcept {
  ::syscall(SYS_futex, &word, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
}

}  // namespace perch
