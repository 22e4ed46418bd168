// The two fences of the pin protocol (see pin_protocol.hpp): a light one for readers, a heavy one for the
// writer.
//
// A reader stores its pin and then loads the published word; the writer publishes and then loads the pins.
// One of them must see the other, so on both sides the store must be out before the load. With membarrier(2)
// the writer sees to it for both: MEMBARRIER_CMD_PRIVATE_EXPEDITED returns once every processor that runs
// this process has executed a full fence, so for each reader its store is either out by then, or its load
// comes later. The reader is left with keeping its compiler from reordering the two, which costs nothing.
// Without membarrier both sides execute a sequentially consistent fence.
//
// Not MEMBARRIER_CMD_GLOBAL_EXPEDITED, which would reach readers in other processes too: it goes by a mark on
// the processor, and a processor that idled between two threads of a process is not marked when the process
// registers in between. It is passed over then, until it has run something else (seen on Linux 6.18: half of
// the trials, and pinned nodes reused). So readers in other processes pin with a real fence, the sequential
// one: the heavy fence includes a real one for the writer, and these two suffice.
//
// (Asymmetric fences: Goldblatt, P1202; liburcu's sys_membarrier flavour.)
//
// Cost: light 0 ns, heavy 0.6 µs when no reader runs and 10 µs when one does; without membarrier 5–8 ns each.
#pragma once

#include <atomic>
#include <cstdint>

namespace perch::tree {

enum class PinMode : std::uint32_t {
  sequential = 1,  ///< both fences are sequentially consistent
  membarrier = 2,  ///< the heavy fence is membarrier(2), the light one a compiler's
};

/// Which fences this process uses. A value; any thread.
class PinFences {
 public:
  explicit PinFences(PinMode mode) noexcept : mode_(mode) {}

  /// membarrier where the kernel has it and lets this process register, else sequential. Registers, so it
  /// comes before the first pin, and after exec, which undoes the registration. PERCH_PINS=seq_cst
  /// in the environment asks for sequential; sanitizer builds always are, for sanitizers know no membarrier.
  static PinFences choose() noexcept;

  PinMode mode() const noexcept { return mode_; }

  /// [reader] Between the store of the pin and the load that confirms it.
  void light() const noexcept {
    if (mode_ == PinMode::membarrier) [[likely]] {
      std::atomic_signal_fence(std::memory_order_seq_cst);
    } else {
      std::atomic_thread_fence(std::memory_order_seq_cst);
    }
  }

  /// [writer] Between publishing and loading the pins. False: the kernel refused (it was short of memory),
  /// and what is loaded now says nothing about pins; ask again another time.
  [[nodiscard]] bool heavy() const noexcept;

 private:
  PinMode mode_;
};

}  // namespace perch::tree
