// The pin protocol: how readers keep a version alive, how the writer learns which versions are, and what
// may be reclaimed. Every atomic access of it is here and has a name.
//
// Hazard pointers on whole versions (Michael 2004). The reader loads the published word, stores it in its
// slot, and loads the published word again: the pin holds when nothing was published in between. The writer
// publishes, and some time later scans the slots. A fence lies between store and load on both sides, so
// either the scan sees the slot, or the reader sees the newer version and tries again.
//
// A template over its atomics, so that the tests run this very code under a verifier of memory models, each
// order weakened in turn. The weaker one is caught there, or the order says below why no test can.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>

namespace perch::tree {

/// What the host runs on: std::atomic, and the order of each access.
struct HostAtomics {
  template <class T>
  using Atomic = std::atomic<T>;

  /// Only a candidate: nothing behind it is read before the confirming load has seen the same word.
  static constexpr auto pin_candidate = std::memory_order_relaxed;
  /// Release: our reads of what this slot pinned before come before the writer reuses that. To a scan that
  /// sees this word it is as good as unpinning.
  static constexpr auto pin_store = std::memory_order_release;
  /// Acquire: the nodes and the record of the version. (Behind a light fence that is a real one no test can
  /// tell it from relaxed: the candidate was the same word, and the fence makes an acquire of that load.)
  static constexpr auto pin_confirm = std::memory_order_acquire;
  /// Release: our reads of the snapshot come before the writer reuses its nodes.
  static constexpr auto unpin = std::memory_order_release;

  /// Release: the nodes and the record of the version.
  static constexpr auto publish = std::memory_order_release;
  /// Acquire: the reads that unpinning (or pinning something else) released.
  static constexpr auto scan = std::memory_order_acquire;

  /// Only picks a slot to try.
  static constexpr auto claim_look = std::memory_order_relaxed;
  /// Acquire: what the slot's last holder did. Its reads, which our own stores to the slot pass on to the
  /// scan; and its unpinning, which must not come after our pin in the order of the word.
  static constexpr auto claim = std::memory_order_acquire;
  /// Release: the other side of `claim`.
  static constexpr auto give_back = std::memory_order_release;

  /// A holder adds one: the count is its own to rely on, and whoever gets the copy gets it from there.
  static constexpr auto share = std::memory_order_relaxed;
  /// Release: this holder's reads of the snapshot come before the last holder's unpinning. Acquire: and that
  /// is us, perhaps.
  static constexpr auto drop_share = std::memory_order_acq_rel;

  /// Release: the chunk's empty slots, and that they are empty.
  static constexpr auto link_chunk = std::memory_order_release;
  /// Acquire: the other side of link_chunk, for claims and for scans. That a scan behind its fence sees every
  /// chunk with a confirmed pin follows from the fences, as for the slots themselves: linking the chunk
  /// happens before pinning in it.
  static constexpr auto next_chunk = std::memory_order_acquire;

  /// How many of a process's slots a scan must look at. Its fences order it as they do the slots: it is
  /// raised before the slot is pinned in, and whoever finds it high enough has read from who raised it.
  static constexpr auto used_slots = std::memory_order_relaxed;
};

template <class Atomics>
struct PinProtocol {
  template <class T>
  using Atomic = typename Atomics::template Atomic<T>;

  /// One pin's place, a cache line of its own so that pinning never contends.
  struct alignas(64) Slot {
    Atomic<std::uint64_t> word{0};  ///< the pinned published word; 0: no pin
    Atomic<std::uint32_t> claimed{0};
    Atomic<std::uint32_t> holders{0};  ///< of a pin that is shared
  };

  // ---- Readers. Fences: see PinFences, which has the host's.

  /// Pins what is published, instead of what the slot pinned before. Returns the word.
  template <class Fences>
  static std::uint64_t pin(const Atomic<std::uint64_t>& published, Slot& slot, Fences fences) {
    const std::uint64_t word = published.load(Atomics::pin_candidate);
    const std::uint64_t confirmed = try_to_pin(published, slot, fences, word);
    return confirmed == word ? word : pin_again(published, slot, fences, confirmed);
  }

  /// What is published now: `word`, and then it is pinned, or something newer to try with.
  template <class Fences>
  static std::uint64_t try_to_pin(const Atomic<std::uint64_t>& published, Slot& slot, Fences fences,
                                  std::uint64_t word) {
    slot.word.store(word, Atomics::pin_store);
    fences.light();
    return published.load(Atomics::pin_confirm);
  }

  /// The rest of pin: something was published in between. Out of line, which halves the cost of the rest.
  template <class Fences>
  [[gnu::noinline, gnu::cold]] static std::uint64_t pin_again(const Atomic<std::uint64_t>& published,
                                                              Slot& slot, Fences fences, std::uint64_t word) {
    for (;;) {
      const std::uint64_t confirmed = try_to_pin(published, slot, fences, word);
      if (confirmed == word) return word;
      word = confirmed;
    }
  }

  static void unpin(Slot& slot) { slot.word.store(0, Atomics::unpin); }

  /// The slot holds no pin; it may be claimed again.
  static void give_back(Slot& slot) { slot.claimed.store(0, Atomics::give_back); }

  // A pin is passed on by counting its holders, never from slot to slot: a scan that has passed the one slot
  // and not yet come to the other would see neither.

  /// The slot's pin now has this one holder, who may share it.
  static void hold(Slot& slot) { slot.holders.store(1, Atomics::share); }
  /// [a holder] One holder more.
  static void share(Slot& slot) { slot.holders.fetch_add(1, Atomics::share); }
  /// [a holder] One holder less; with the last one go the pin and the slot.
  static void drop_share(Slot& slot) {
    if (slot.holders.fetch_sub(1, Atomics::drop_share) != 1) return;
    unpin(slot);
    give_back(slot);
  }

  // ---- The writer.

  static void publish(Atomic<std::uint64_t>& published, std::uint64_t word) {
    published.store(word, Atomics::publish);
  }

  /// Of versions first..last in ascending order: the newest in [birth, death), else `last`. A block is free
  /// when no pinned version lies in there, the pins being those of a scan that began, behind the heavy
  /// fence, after `death` was published: younger scans only find pins of versions at or after it.
  template <class Iterator, class VersionOf>
  static Iterator newest_that_sees(Iterator first, Iterator last, std::uint64_t birth, std::uint64_t death,
                                   VersionOf version_of) {
    const Iterator after = std::lower_bound(
        first, last, death,
        [&](const auto& pinned, std::uint64_t version) { return version_of(pinned) < version; });
    if (after == first) return last;
    const Iterator newest = std::prev(after);
    return version_of(*newest) < birth ? last : newest;
  }

  // ---- Slots: a chain of chunks that only ever grows.

  /// Any thread, but for the destructor. Never waits; a claim looks at all slots, so claim once and pin
  /// often.
  template <std::size_t chunk_slots>
  class Slots {
   public:
    Slots() = default;
    Slots(const Slots&) = delete;
    Slots& operator=(const Slots&) = delete;
    /// Nothing else runs any more.
    ~Slots() {
      for (Chunk* chunk = first_.next.load(Atomics::next_chunk); chunk != nullptr;) {
        Chunk* const next = chunk->next.load(Atomics::next_chunk);
        delete chunk;
        chunk = next;
      }
    }

    /// A free slot, from now on the caller's.
    Slot& claim() {
      for (Chunk* chunk = &first_;; chunk = next_or_new(*chunk)) {
        for (Slot& slot : chunk->slots) {
          std::uint32_t free = 0;
          if (slot.claimed.load(Atomics::claim_look) == 0 &&
              slot.claimed.compare_exchange_strong(free, 1, Atomics::claim, Atomics::claim_look)) {
            return slot;
          }
        }
      }
    }

    /// Calls visit(word) for every slot that holds a pin.
    template <class Visit>
    void scan(Visit visit) const {
      for (const Chunk* chunk = &first_; chunk != nullptr; chunk = chunk->next.load(Atomics::next_chunk)) {
        for (const Slot& slot : chunk->slots) {
          const std::uint64_t word = slot.word.load(Atomics::scan);
          if (word != 0) visit(word);
        }
      }
    }

    /// Slots claimed and not given back. Exact when nothing else runs.
    std::size_t claimed() const {
      std::size_t count = 0;
      for (const Chunk* chunk = &first_; chunk != nullptr; chunk = chunk->next.load(Atomics::next_chunk)) {
        for (const Slot& slot : chunk->slots) count += slot.claimed.load(Atomics::claim_look);
      }
      return count;
    }

   private:
    struct Chunk {
      Slot slots[chunk_slots];
      Atomic<Chunk*> next{nullptr};
    };

    static Chunk* next_or_new(Chunk& chunk) {
      Chunk* next = chunk.next.load(Atomics::next_chunk);
      if (next != nullptr) return next;
      auto fresh = std::make_unique<Chunk>();
      if (chunk.next.compare_exchange_strong(next, fresh.get(), Atomics::link_chunk, Atomics::claim_look)) {
        return fresh.release();
      }
      return chunk.next.load(Atomics::next_chunk);  // another claim was faster
    }

    Chunk first_;
  };

  /// The slots of a process other than the writer's, in memory that both map. That process claims, pins and
  /// unpins; the writer scans, and believes no more of it than that such versions are pinned.
  template <std::uint32_t slot_count>
  struct ForeignSlots {
    Atomic<std::uint32_t> used{0};  ///< slots from here on were never claimed
    Slot slots[slot_count];

    /// Null: all are in use.
    Slot* claim() {
      for (std::uint32_t i = 0; i < slot_count; ++i) {
        std::uint32_t free = 0;
        if (slots[i].claimed.load(Atomics::claim_look) != 0 ||
            !slots[i].claimed.compare_exchange_strong(free, 1, Atomics::claim, Atomics::claim_look)) {
          continue;
        }
        std::uint32_t before = used.load(Atomics::used_slots);
        while (before <= i &&
               !used.compare_exchange_weak(before, i + 1, Atomics::used_slots, Atomics::used_slots)) {
        }
        return &slots[i];
      }
      return nullptr;
    }

    template <class Visit>
    void scan(Visit visit) const {
      const std::uint32_t end = std::min(used.load(Atomics::used_slots), slot_count);
      for (std::uint32_t i = 0; i < end; ++i) {
        const std::uint64_t word = slots[i].word.load(Atomics::scan);
        if (word != 0) visit(word);
      }
    }

    /// [host, with the mutex held that scans hold throughout] `to` holds `word` as well, if a slot here does.
    /// Whoever passes on keeps its own pin until this has returned: a scan before it sees that one, a scan
    /// after it the copy.
    bool copy_pin(std::uint64_t word, Slot& to) const {
      bool is_pinned = false;
      scan([&](std::uint64_t pinned) { is_pinned = is_pinned || pinned == word; });
      if (is_pinned) to.word.store(word, Atomics::pin_store);
      return is_pinned;
    }
  };
};

}  // namespace perch::tree
