// Pins: what readers hold a version with, and what they wake up by. The protocol is in pin_protocol.hpp.
//
// Cost: about 1 ns per pin and unpin with membarrier(2), 8–10 ns without (see pin_fences.hpp). Bound: one
// cache line per slot; slots are made in chunks of 64, never returned to the system, reused.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "tree/format.hpp"
#include "tree/node.hpp"
#include "tree/pin_fences.hpp"
#include "tree/pin_protocol.hpp"
#include "tree/slot_pages.hpp"
#include "tree/snapshot.hpp"

namespace perch::tree {

using Pins = PinProtocol<HostAtomics>;

class ReadSide;

/// A claimed slot: pins at most one version at a time. Used by one thread at a time; may move between
/// threads. Give it back before the ReadSide ends.
class PinSlot {
 public:
  PinSlot() = default;  ///< none: neither pin nor unpin it
  PinSlot(PinSlot&& other) noexcept;
  PinSlot& operator=(PinSlot&& other) noexcept;
  ~PinSlot();

  /// Pins the published version, instead of the one pinned before. Never waits for the writer: it retries
  /// only when a commit came in between.
  Snapshot pin() noexcept {
    const std::uint64_t word = Pins::pin(*published_, *slot_, fences_);
    return Snapshot(base_, reinterpret_cast<const VersionRecord*>(address(base_, word_ref(word))));
  }
  /// Gives the pin up: every Snapshot of it is invalid from here on. Nothing pinned: no effect.
  void unpin() noexcept { Pins::unpin(*slot_); }

 private:
  friend class ReadSide;
  friend class SharedSnapshot;
  PinSlot(const ReadSide& side, Pins::Slot& slot) noexcept;
  void give_back() noexcept;

  Pins::Slot* slot_ = nullptr;
  // Copies of the ReadSide's, so that a pin touches one line less.
  const std::atomic<std::uint64_t>* published_ = nullptr;
  const std::byte* base_ = nullptr;
  PinFences fences_{PinMode::sequential};
};

/// A snapshot with its pin, counted: the way to hand one version to several holders in the host. Like a
/// std::shared_ptr: copies are the holders, each for one thread at a time; the last one gives the pin and its
/// slot back. Before the ReadSide ends, please.
class SharedSnapshot {
 public:
  SharedSnapshot() = default;  ///< none
  SharedSnapshot(std::nullptr_t) noexcept {}
  /// Of what `slot` has pinned.
  SharedSnapshot(PinSlot slot, Snapshot snapshot) noexcept;
  SharedSnapshot(const SharedSnapshot& other) noexcept;
  SharedSnapshot(SharedSnapshot&& other) noexcept;
  SharedSnapshot& operator=(SharedSnapshot other) noexcept;
  ~SharedSnapshot();

  void reset() noexcept { *this = nullptr; }
  explicit operator bool() const noexcept { return slot_ != nullptr; }
  bool operator==(std::nullptr_t) const noexcept { return slot_ == nullptr; }
  const Snapshot& snapshot() const noexcept { return snapshot_; }
  /// The published word that is pinned. Relaxed: a holder's own pin does not change.
  std::uint64_t word() const noexcept { return slot_->word.load(std::memory_order_relaxed); }
  const SharedSnapshot* operator->() const noexcept { return this; }  ///< reads like the pointer that it is

 private:
  Pins::Slot* slot_ = nullptr;
  Snapshot snapshot_;
};

/// Everything that a reader needs: the read-only mapping, the published word, the slots; in the host, and in
/// a process that the host lets read. Thread safe.
///
/// Invariants
///   1. Slots are only ever added; a slot never moves.
///   2. A slot's word is written only by the thread that uses the PinSlot (but see SlotPages::hand_over).
///   3. The fences of a pin are those of the scans that look for it. A process other than the host always
///   pins
///      with real ones: the host's heavy fence includes a real one too, whichever it is.
class ReadSide {
 public:
  /// In the host. `base`: where readers see the arena; `control`: the control page in a mapping that may be
  /// written. Chooses the fences (PinFences::choose).
  ReadSide(const std::byte* base, ControlPage* control);
  /// In another process. Both outlive this (see MappedArena).
  ReadSide(const std::byte* base, SlotPage* page);
  ~ReadSide();
  ReadSide(const ReadSide&) = delete;
  ReadSide& operator=(const ReadSide&) = delete;

  /// Looks at all slots; not for hot paths: claim once, pin often. In the host there is always one more; a
  /// process asserts that it has one left (try_claim_slot asks).
  PinSlot claim_slot();
  /// Nothing: all SlotPage::slots_max of this process are in use.
  std::optional<PinSlot> try_claim_slot();
  SharedSnapshot acquire();  ///< claims, pins; the slot goes back with the last copy
  Version published_version() const noexcept;

  /// An event count: changes with every commit and every nudge. To sleep without missing anything: take the
  /// signal, look at whatever decides about sleeping, then wait_for_signal with the value taken.
  std::uint32_t signal() const noexcept;
  /// Sleeps (futex) while the signal is still `seen`, until the time is over. May return early.
  void wait_for_signal(std::uint32_t seen, std::int64_t timeout_ns) const noexcept;
  /// A nudge: wakes every sleeper though there was no commit; in a process other than the host, its own. How
  /// a sleeping reader gets to see a command.
  void wake_sleepers() const noexcept;

  const std::byte* base() const noexcept { return base_; }

  // ---- In the host alone.

  /// [writer thread] Executes the heavy fence and appends the word of every slot that holds one. True: all
  /// pins of versions older than the newest one published before the call are among them. False: the kernel
  /// refused the fence, or somebody is changing the list of processes; what is appended then says nothing.
  /// Try again another time.
  [[nodiscard]] bool scan(std::vector<std::uint64_t>& words) const;
  /// The processes that read: each has a page.
  SlotPages& processes() noexcept { return processes_; }
  const SlotPages& processes() const noexcept { return processes_; }
  /// A pin of the version that the process has pinned as `word`; null when it has not. The host keeps it for
  /// somebody else: as it is a process's word, the snapshot is an empty one, and only its word is good.
  SharedSnapshot take_over(SlotPageId process, std::uint64_t word);

  // ---- In another process alone.

  /// What the host has handed over, once (see SlotPages::hand_over).
  SharedSnapshot handed_over() const;

 private:
  friend class PinSlot;

  std::uint32_t own_nudges() const noexcept;

  const std::byte* const base_;
  const ControlPage* const control_;
  ControlPage* const writable_control_;  // null in a process other than the host
  SlotPage* const page_;                 // null in the host
  const PinFences fences_;
  Pins::Slots<64> slots_;  // the host's own
  SlotPages processes_;
};

}  // namespace perch::tree
