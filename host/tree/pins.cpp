#include "tree/pins.hpp"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <climits>

#include "base/assert.hpp"
#include "tree/node.hpp"

namespace perch::tree {
namespace {

// futex(2). Not FUTEX_PRIVATE: reader processes wait on the same word.
void futex_wait(const std::atomic<std::uint32_t>& word, std::uint32_t expected,
                std::int64_t timeout_ns) noexcept {
  const timespec timeout{timeout_ns / 1'000'000'000, timeout_ns % 1'000'000'000};
  syscall(SYS_futex, &word, FUTEX_WAIT, expected, &timeout, nullptr, 0);
}

void futex_wake_all(const std::atomic<std::uint32_t>& word) noexcept {
  syscall(SYS_futex, &word, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
}

}  // namespace

// ---- PinSlot
// ------------------------------------------------------------------------------------------------------

PinSlot::PinSlot(PinSlot&& other) noexcept
    : side_(std::exchange(other.side_, nullptr)), slot_(std::exchange(other.slot_, nullptr)) {}

PinSlot& PinSlot::operator=(PinSlot&& other) noexcept {
  PinSlot taken(std::move(other));
  std::swap(side_, taken.side_);
  std::swap(slot_, taken.slot_);
  return *this;  // what was held before goes back now, with `taken`
}

PinSlot::~PinSlot() {
  if (slot_ == nullptr) return;
  unpin();
  // Release: whoever claims the slot next (acquire) sees it unpinned.
  slot_->claimed.store(0, std::memory_order_release);
}

Snapshot PinSlot::pin() noexcept {
  const std::atomic<std::uint64_t>& published = side_->control_->published;
  // Sequentially consistent throughout, paired with Store::commit (store published, then scan the slots): in
  // the single total order either our store comes before the writer's scan, which then sees it, or the
  // writer's publication comes before our second load, which then sees that. Loading the word also acquires
  // the nodes it publishes.
  std::uint64_t word = published.load(std::memory_order_seq_cst);
  for (;;) {
    slot_->word.store(word, std::memory_order_seq_cst);
    const std::uint64_t again = published.load(std::memory_order_seq_cst);
    if (again == word) break;
    word = again;
  }
  return Snapshot(side_->base_,
                  reinterpret_cast<const VersionRecord*>(address(side_->base_, word_ref(word))));
}

void PinSlot::unpin() noexcept {
  // Release: our reads of the snapshot come before the writer (acquire, in scan) reuses its nodes.
  if (slot_ != nullptr) slot_->word.store(0, std::memory_order_release);
}

// ---- ReadSide
// -----------------------------------------------------------------------------------------------------

ReadSide::ReadSide(const std::byte* base, ControlPage* control) : base_(base), control_(control) {}

ReadSide::~ReadSide() {
  for (Chunk* chunk = &first_; chunk != nullptr;) {
    for (const Slot& slot : chunk->slots) {
      // Relaxed: nothing else runs any more when the read side ends, or that is the bug.
      PERCH_ASSERT(slot.claimed.load(std::memory_order_relaxed) == 0, "a PinSlot outlives its ReadSide");
    }
    Chunk* const next = chunk->next.load(std::memory_order_relaxed);
    if (chunk != &first_) delete chunk;
    chunk = next;
  }
}

PinSlot ReadSide::claim_slot() {
  const std::lock_guard lock(growing_);
  for (Chunk* chunk = &first_;; chunk = chunk->next.load(std::memory_order_relaxed)) {
    for (Slot& slot : chunk->slots) {
      // Acquire pairs with the release in ~PinSlot. Claims are serialised by the mutex; only returns race
      // with us.
      if (slot.claimed.load(std::memory_order_acquire) == 0) {
        slot.claimed.store(1, std::memory_order_relaxed);
        return PinSlot(this, &slot);
      }
    }
    // Relaxed loads of `next` are enough here: it is written under this mutex.
    if (chunk->next.load(std::memory_order_relaxed) == nullptr) {
      // Sequentially consistent, like the scan's load: a scan that must see a pin in the new chunk (the pin's
      // store came before the scan in the total order, and this store before the pin's) also sees the chunk.
      chunk->next.store(new Chunk, std::memory_order_seq_cst);
    }
  }
}

SharedSnapshot ReadSide::acquire() {
  PinSlot slot = claim_slot();
  const Snapshot snapshot = slot.pin();
  return std::make_shared<PinnedSnapshot>(std::move(slot), snapshot);
}

Version ReadSide::published_version() const noexcept {
  // Acquire: who sees version v here finds v or a later one when pinning.
  return control_->published_version.load(std::memory_order_acquire);
}

std::uint32_t ReadSide::signal() const noexcept {
  // Acquire: what was published or flagged before the signal changed is seen by who sees the change.
  return control_->signal.load(std::memory_order_acquire);
}

void ReadSide::wait_for_signal(std::uint32_t seen, std::int64_t timeout_ns) const noexcept {
  // Sequentially consistent, paired with Store::commit and wake_sleepers (change the signal, then load
  // sleepers): either they see us among the sleepers and wake, or the kernel sees the changed signal and does
  // not put us to sleep.
  control_->sleepers.fetch_add(1, std::memory_order_seq_cst);
  futex_wait(control_->signal, seen, std::max<std::int64_t>(timeout_ns, 0));
  control_->sleepers.fetch_sub(1, std::memory_order_relaxed);  // a late decrement costs one needless wake
}

void ReadSide::wait_for_commit(Version seen, std::int64_t timeout_ns) const noexcept {
  const std::uint32_t before = signal();
  if (published_version() == seen) wait_for_signal(before, timeout_ns);
}

void ReadSide::wake_sleepers() const noexcept {
  // Orders: see wait_for_signal. The increment is also a release of the caller's command flag.
  control_->signal.fetch_add(1, std::memory_order_seq_cst);
  if (control_->sleepers.load(std::memory_order_seq_cst) > 0) futex_wake_all(control_->signal);
}

void ReadSide::scan(std::vector<std::uint64_t>& words) const {
  for (const Chunk* chunk = &first_; chunk != nullptr; chunk = chunk->next.load(std::memory_order_seq_cst)) {
    for (const Slot& slot : chunk->slots) {
      // Sequentially consistent: see PinSlot::pin. It also acquires what unpin released.
      const std::uint64_t word = slot.word.load(std::memory_order_seq_cst);
      if (word != 0) words.push_back(word);
    }
  }
}

}  // namespace perch::tree
