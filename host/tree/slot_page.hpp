// SlotPage: what a reader process shares with the host: its pins, and how it sleeps.
//
// One per process, so that a faulty one can only damage its own pins. The process writes, the host reads and
// trusts nothing of it: whatever stands in here costs the host no more than versions that it keeps.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "tree/format.hpp"
#include "tree/pin_protocol.hpp"

namespace perch::tree {

/// A memfd of this size, sealed against being resized.
struct SlotPage {
  static constexpr std::uint32_t slots_max = 1021;
  /// The host's to fill: the pin that a process begins from (see SlotPages::hand_over).
  static constexpr std::uint32_t handed_slot = 0;

  std::uint64_t magic;
  std::uint32_t format;
  std::uint32_t reserved;
  alignas(64) std::atomic<std::uint32_t> sleepers;  ///< threads in, or about to enter, a wait for commits
  std::atomic<std::uint32_t> nudges;                ///< futex word: wakes the process's own threads
  alignas(64) PinProtocol<HostAtomics>::ForeignSlots<slots_max> pins;
};
inline constexpr std::uint64_t slot_page_magic = 0x6372'6550'746f'6c53;
inline constexpr std::uint32_t slot_page_format = 1;
static_assert(sizeof(SlotPage) == std::size_t{64} << 10);

}  // namespace perch::tree
