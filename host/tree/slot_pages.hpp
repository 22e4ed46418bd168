// SlotPages: the slot pages of all reader processes, as the host sees them.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "base/result.hpp"
#include "base/unique_fd.hpp"
#include "tree/slot_page.hpp"

namespace perch::tree {

/// Names a page for as long as the host runs; never used twice.
using SlotPageId = std::uint64_t;

/// Thread safety: any thread. The writer never waits here: when somebody else holds the mutex, a scan says so
/// and is tried again another time.
///
/// Invariants
///   1. A page is in the list before its process gets the descriptor, so before it can pin.
///   2. A scan holds the mutex throughout, the host's own slots included: a pin that is passed on under the
///      mutex, from page to host or from host to page, is seen on one side at least.
class SlotPages {
 public:
  struct Attached {
    SlotPageId id;
    UniqueFd fd;  ///< for the process; the host needs it no more
  };

  SlotPages() = default;
  ~SlotPages();
  SlotPages(const SlotPages&) = delete;
  SlotPages& operator=(const SlotPages&) = delete;

  /// A new page, for one more process.
  Result<Attached> attach();
  /// Its pins count no more: for a process that is gone, or that has given its page up.
  void detach(SlotPageId id);

  /// [writer, behind the heavy fence] Calls visit(word) for every pin of `own`, the host's slots, and of the
  /// processes. False: not all were looked at.
  template <class Slots, class Visit>
  [[nodiscard]] bool scan(const Slots& own, Visit visit) const {
    const std::unique_lock lock(mutex_, std::try_to_lock);
    if (!lock) return false;
    own.scan(visit);
    for (const Page& page : pages_) page.memory->pins.scan(visit);
    return true;
  }
  /// Whether somebody may be asleep who wants to know of a commit.
  bool has_sleepers() const noexcept;

  /// The words that the process has pinned now.
  std::vector<std::uint64_t> pins(SlotPageId id) const;
  std::size_t count() const noexcept { return count_.load(std::memory_order_relaxed); }

  /// Passing on, each in one go as far as any scan can see.
  /// From the process: has the host's `slot` hold what the page has pinned as `word`. False: it has not.
  bool take_over(SlotPageId id, std::uint64_t word, PinProtocol<HostAtomics>::Slot& slot) const;
  /// To the process: it has `word` pinned in its handed_slot from here on, which is the caller's pin. False:
  /// there is no such page.
  bool hand_over(SlotPageId id, std::uint64_t word);

 private:
  struct Page {
    SlotPageId id;
    SlotPage* memory;
  };
  const Page* find(SlotPageId id) const noexcept;

  std::atomic<std::size_t> count_{0};
  mutable std::mutex mutex_;  // guards what follows
  std::vector<Page> pages_;
  SlotPageId last_id_ = 0;
};

/// The version that a published word names, `published` being a newer one. Nothing: it names none that has
/// been published, as a process's word may.
std::optional<Version> version_of_word(std::uint64_t word, Version published) noexcept;

}  // namespace perch::tree
