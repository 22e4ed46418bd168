#include "tree/pin_fences.hpp"

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

namespace perch::tree {
namespace {

/// membarrier(2), which glibc does not wrap. What it answers, or -1.
long membarrier(int command) noexcept { return syscall(SYS_membarrier, command, 0, 0); }

[[maybe_unused]] bool register_for_membarrier() noexcept {
  constexpr int commands = MEMBARRIER_CMD_PRIVATE_EXPEDITED | MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED;
  const long supported = membarrier(MEMBARRIER_CMD_QUERY);
  if (supported < 0 || (supported & commands) != commands) return false;  // an old kernel, or seccomp
  // The first barrier is a trial: a filter may tell commands apart.
  return membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) == 0 &&
         membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED) == 0;
}

}  // namespace

PinFences PinFences::choose() noexcept {
#ifndef PERCH_ONE_MAPPING
  const char* const wanted = std::getenv("PERCH_PINS");
  const bool wants_sequential = wanted != nullptr && std::strcmp(wanted, "seq_cst") == 0;
  if (!wants_sequential && register_for_membarrier()) return PinFences(PinMode::membarrier);
#endif
  return PinFences(PinMode::sequential);
}

bool PinFences::heavy() const noexcept {
  if (mode_ == PinMode::membarrier && membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED) != 0) return false;
  // With membarrier too: the kernel executes a full fence for the caller, and this tells the compiler.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  return true;
}

}  // namespace perch::tree
