// Pins: how readers keep a version alive, and how the writer learns which versions are.
//
// Protocol (hazard pointers on whole versions; Michael 2004). The reader loads the published word, stores it
// in its slot, and loads the published word again: the pin holds when nothing was published in between. The
// writer publishes, then scans the slots. The reader's store→load and the writer's store→load must not be
// reordered, so all four are sequentially consistent: either the scan sees the slot, or the reader sees the
// newer version and tries again.
//
// Cost: 2–6 ns per pin and unpin. Bound: one cache line per slot; slots are claimed in chunks of 64, never
// returned to the system, reused.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "tree/format.hpp"
#include "tree/snapshot.hpp"

namespace perch::tree {

/// One pin's place, a cache line of its own so that pinning never contends.
struct alignas(64) Slot {
  std::atomic<std::uint64_t> word{0};  ///< the pinned published word; 0: no pin
  std::atomic<std::uint32_t> claimed{0};
};

class ReadSide;

/// A claimed slot: pins at most one version at a time. Used by one thread at a time; may move between
/// threads. Give it back before the ReadSide ends.
class PinSlot {
 public:
  PinSlot() = default;
  PinSlot(PinSlot&& other) noexcept;
  PinSlot& operator=(PinSlot&& other) noexcept;
  ~PinSlot();

  /// Pins the published version, instead of the one pinned before. Never waits for the writer: it retries
  /// only when a commit came in between.
  Snapshot pin() noexcept;
  /// Gives the pin up: every Snapshot of it is invalid from here on. Nothing pinned: no effect.
  void unpin() noexcept;

 private:
  friend class ReadSide;
  PinSlot(const ReadSide* side, Slot* slot) noexcept : side_(side), slot_(slot) {}
  const ReadSide* side_ = nullptr;
  Slot* slot_ = nullptr;
};

/// A snapshot with its pin, shared by reference count: the way to hand one version to several holders in the
/// host. Never passes a pin from slot to slot, which would race with the writer's scan.
class PinnedSnapshot {
 public:
  PinnedSnapshot(PinSlot slot, Snapshot snapshot) noexcept : slot_(std::move(slot)), snapshot_(snapshot) {}
  const Snapshot& snapshot() const noexcept { return snapshot_; }
  const Snapshot* operator->() const noexcept { return &snapshot_; }

 private:
  PinSlot slot_;
  Snapshot snapshot_;
};
using SharedSnapshot = std::shared_ptr<const PinnedSnapshot>;

/// Everything that a reader needs: the read-only mapping, the published word, the slots. Thread safe.
///
/// Invariants
///   1. Chunks are only ever added; a chunk's slots never move.
///   2. A slot's word is written only by the thread that uses the PinSlot; `claimed` by whoever claims or
///   returns.
class ReadSide {
 public:
  /// `base`: where readers see the arena; `control`: the control page in a mapping that may be written.
  ReadSide(const std::byte* base, ControlPage* control);
  ~ReadSide();
  ReadSide(const ReadSide&) = delete;
  ReadSide& operator=(const ReadSide&) = delete;

  PinSlot claim_slot();      ///< takes a mutex; not for hot paths: claim once, pin often
  SharedSnapshot acquire();  ///< claims, pins; the slot goes back with the last copy
  Version published_version() const noexcept;

  /// An event count: changes with every commit and every nudge. To sleep without missing anything: take the
  /// signal, look at whatever decides about sleeping, then wait_for_signal with the value taken.
  std::uint32_t signal() const noexcept;
  /// Sleeps (futex) while the signal is still `seen`, until the time is over. May return early.
  void wait_for_signal(std::uint32_t seen, std::int64_t timeout_ns) const noexcept;
  /// Sleeps until a version other than `seen` is published, a nudge comes, or the time is over.
  void wait_for_commit(Version seen, std::int64_t timeout_ns) const noexcept;
  /// A nudge: wakes every sleeper though there was no commit. How a sleeping reader gets to see a command.
  void wake_sleepers() const noexcept;

  /// [writer thread] Appends the word of every slot that holds one.
  void scan(std::vector<std::uint64_t>& words) const;

  const std::byte* base() const noexcept { return base_; }

 private:
  friend class PinSlot;
  static constexpr std::size_t chunk_slots = 64;
  struct Chunk {
    Slot slots[chunk_slots];
    std::atomic<Chunk*> next{nullptr};
  };

  const std::byte* const base_;
  ControlPage* const control_;
  Chunk first_;
  std::mutex growing_;  // claims and growth; neither pin nor scan takes it
};

}  // namespace perch::tree
