// Reclaimer: which dropped blocks no reader can see any more.
//
// A block with birth b and death d is visible in the versions b ≤ v < d. It is judged only by a slot scan
// that began after d was published; it is free when no pinned version lies in [b, d). A blocked block hangs
// on the newest pinned version that blocks it and is judged again when the last pin of that version goes. So
// a reader stuck for a day retains its own snapshot and nothing more: blocks born after it are not its
// business.
//
// This is interval-based reclamation (Wen et al., PPoPP 2018) with versions as eras and exact pins instead of
// ranges.
//
// Cost: one scan per run; O(log pinned versions) per judged block. Bound: `cap` blocks judged per run.
// Memory: 24 bytes per dropped block not yet freed, in chunks that are recycled.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "tree/format.hpp"
#include "tree/pins.hpp"

namespace perch::tree {

struct DroppedBlock {
  Version birth;
  Version death;
  Ref ref;
  std::uint32_t units;
};

/// First-in first-out lists of dropped blocks that share a pool of chunks, so that lists splice in O(1) and
/// nothing is allocated once the pool is large enough.
class DroppedChunks {
 public:
  struct Chunk {
    static constexpr std::uint32_t capacity = 170;  // 4 KiB
    std::uint32_t begin = 0;
    std::uint32_t end = 0;
    Chunk* next = nullptr;
    std::array<DroppedBlock, capacity> blocks;
  };
  struct List {
    Chunk* first = nullptr;
    Chunk* last = nullptr;
    std::uint64_t count = 0;
    std::uint64_t units = 0;
  };

  void push(List& list, const DroppedBlock& block) {
    if (list.last == nullptr || list.last->end == Chunk::capacity) add_chunk(list);
    list.last->blocks[list.last->end++] = block;
    ++list.count;
    list.units += block.units;
  }
  /// Takes off `blocks` blocks of `units` units in all, which are all in the first chunk.
  void remove_first(List& list, std::uint32_t blocks, std::uint64_t units) {
    Chunk* const chunk = list.first;
    chunk->begin += blocks;
    list.count -= blocks;
    list.units -= units;
    if (chunk->begin == chunk->end) remove_chunk(list);
  }
  /// Moves all of `from` behind `to`.
  static void splice(List& to, List& from);

 private:
  void add_chunk(List& list);
  void remove_chunk(List& list);
  std::vector<std::unique_ptr<Chunk>> chunks_;
  std::vector<Chunk*> spare_;
};

/// A version that readers hold back, as of the writer's last look.
struct RetainedVersion {
  Version version;
  std::uint64_t bytes;  ///< that hang on it: free once it and the older pins are gone
};

/// For the writer thread alone, but `retained_versions` and `retained_bytes`.
class Reclaimer {
 public:
  void drop(const DroppedBlock& block) {
    chunks_.push(dropped_, block);
    dropped_since_run_ += 1;
  }

  /// Judges at most twice what was dropped since the last run and a base amount of blocks whose death is at
  /// most `published`, and calls release(ref, units) for each that is free. `everything`: no bound. Returns
  /// how many were judged: 0 when none waits, or the kernel refused the look at the pins.
  template <class Release>
  std::uint64_t run(Version published, const ReadSide& reads, bool everything, Release release);

  /// Blocks dropped that wait for a look.
  std::uint64_t waiting() const noexcept { return dropped_.count + again_.count; }
  std::uint64_t waiting_bytes() const noexcept { return (dropped_.units + again_.units) * unit_bytes; }
  /// What the last scan of the pins took.
  std::int64_t look_ns() const noexcept { return look_ns_; }
  /// Whether a run would judge any.
  bool has_work(Version published) const noexcept {
    return again_.count > 0 || (dropped_.count > 0 && death_of_first(dropped_) <= published);
  }
  template <class Visit>
  void for_each(Visit visit) const;

  std::uint64_t retained_bytes() const noexcept { return retained_units() * unit_bytes; }
  std::vector<RetainedVersion> retained_versions() const;  ///< any thread; the 64 oldest, oldest first
  void publish_accounting();                               ///< what retained_versions shows from now on

 private:
  struct Pinned {
    std::uint64_t word;
    Version version;
    DroppedChunks::List blocked;
  };

  static Version death_of_first(const DroppedChunks::List& list) noexcept {
    return list.first->blocks[list.first->begin].death;
  }
  std::uint64_t retained_units() const noexcept;
  void look_at_pins(Version published, const ReadSide& reads);
  template <class Release>
  bool judge_list(DroppedChunks::List& list, std::uint64_t& left, Release& release);
  bool judge(const DroppedBlock& block);

  DroppedChunks chunks_;
  DroppedChunks::List dropped_;  // never judged, in order of death
  DroppedChunks::List again_;    // blocked once, the blocking version's pins are gone
  std::uint64_t dropped_since_run_ = 0;

  Version looked_at_ = 0;  // published when the last scan began: blocks that died later wait for another
  std::int64_t look_ns_ = 0;
  bool is_behind_ = false;      // the last run's bound left blocks over that its scan can judge
  std::vector<Pinned> pinned_;  // as of the last scan, by version
  std::vector<Pinned> before_;  // scratch
  std::vector<std::uint64_t> words_;
  std::vector<std::uint64_t> words_before_;

  static constexpr std::size_t shown_max = 64;
  struct Shown {
    std::atomic<Version> version{0};
    std::atomic<std::uint64_t> bytes{0};
  };
  std::array<Shown, shown_max> shown_;
  std::atomic<std::size_t> shown_count_{0};
};

template <class Release>
std::uint64_t Reclaimer::run(Version published, const ReadSide& reads, bool everything, Release release) {
  constexpr std::uint64_t base_blocks = 256;
  const std::uint64_t bound = everything ? UINT64_MAX : base_blocks + 2 * dropped_since_run_;
  dropped_since_run_ = 0;
  // A scan costs a fence. Later scans find no new pins that could see blocks which were dead by then, so the
  // last one is good for all that it left over.
  if (everything || !is_behind_) look_at_pins(published, reads);
  std::uint64_t left = bound;
  is_behind_ = !judge_list(again_, left, release) || !judge_list(dropped_, left, release);
  return bound - left;
}

/// Judges the blocks of `list`, at most `left` of them; false when there were more.
template <class Release>
bool Reclaimer::judge_list(DroppedChunks::List& list, std::uint64_t& left, Release& release) {
  // No pinned version is older than this one: most blocks died before and need no closer look.
  const Version oldest = pinned_.empty() ? UINT64_MAX : pinned_.front().version;
  while (list.count > 0) {
    DroppedChunks::Chunk& chunk = *list.first;
    const std::uint32_t begin = chunk.begin;
    const std::uint32_t stop =
        begin + static_cast<std::uint32_t>(std::min<std::uint64_t>(chunk.end - begin, left));
    std::uint32_t at = begin;
    std::uint64_t units = 0;
    for (; at < stop && chunk.blocks[at].death <= looked_at_; ++at) {  // in order of death
      const DroppedBlock& block = chunk.blocks[at];
      units += block.units;
      if (block.death <= oldest || judge(block)) release(block.ref, block.units);
    }
    const bool is_done = at < stop;  // with all that the scan can judge
    left -= at - begin;
    chunks_.remove_first(list, at - begin, units);
    if (is_done) return true;
    if (left == 0) return list.count == 0 || death_of_first(list) > looked_at_;
  }
  return true;
}

template <class Visit>
void Reclaimer::for_each(Visit visit) const {
  const auto visit_list = [&visit](const DroppedChunks::List& list) {
    for (const DroppedChunks::Chunk* chunk = list.first; chunk != nullptr; chunk = chunk->next) {
      for (std::uint32_t i = chunk->begin; i < chunk->end; ++i) visit(chunk->blocks[i]);
    }
  };
  visit_list(dropped_);
  visit_list(again_);
  for (const Pinned& pinned : pinned_) visit_list(pinned.blocked);
}

}  // namespace perch::tree
