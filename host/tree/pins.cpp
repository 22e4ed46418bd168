#include "tree/pins.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/assert.hpp"
#include "base/futex.hpp"

namespace perch::tree {
// ---- PinSlot
// ------------------------------------------------------------------------------------------------------

PinSlot::PinSlot(const ReadSide& side, Pins::Slot& slot) noexcept
    : slot_(&slot), published_(&side.control_->published), base_(side.base_), fences_(side.fences_) {}

PinSlot::PinSlot(PinSlot&& other) noexcept
    : slot_(std::exchange(other.slot_, nullptr)),
      published_(other.published_),
      base_(other.base_),
      fences_(other.fences_) {}

PinSlot& PinSlot::operator=(PinSlot&& other) noexcept {
  if (this == &other) return *this;
  give_back();
  slot_ = std::exchange(other.slot_, nullptr);
  published_ = other.published_;
  base_ = other.base_;
  fences_ = other.fences_;
  return *this;
}

PinSlot::~PinSlot() { give_back(); }

void PinSlot::give_back() noexcept {
  if (slot_ == nullptr) return;
  Pins::unpin(*slot_);
  Pins::give_back(*slot_);
}

// ---- SharedSnapshot
// -----------------------------------------------------------------------------------------------

SharedSnapshot::SharedSnapshot(PinSlot slot, Snapshot snapshot) noexcept
    : slot_(std::exchange(slot.slot_, nullptr)), snapshot_(snapshot) {
  PERCH_ASSERT(slot_ != nullptr, "a shared snapshot has a pin");
  Pins::hold(*slot_);
}

SharedSnapshot::SharedSnapshot(const SharedSnapshot& other) noexcept
    : slot_(other.slot_), snapshot_(other.snapshot_) {
  if (slot_ != nullptr) Pins::share(*slot_);
}

SharedSnapshot::SharedSnapshot(SharedSnapshot&& other) noexcept
    : slot_(std::exchange(other.slot_, nullptr)), snapshot_(std::exchange(other.snapshot_, Snapshot())) {}

SharedSnapshot& SharedSnapshot::operator=(SharedSnapshot other) noexcept {
  std::swap(slot_, other.slot_);
  std::swap(snapshot_, other.snapshot_);
  return *this;  // what was held before goes now, with `other`
}

SharedSnapshot::~SharedSnapshot() {
  if (slot_ != nullptr) Pins::drop_share(*slot_);
}

// ---- ReadSide
// -----------------------------------------------------------------------------------------------------

ReadSide::ReadSide(const std::byte* base, ControlPage* control)
    : base_(base),
      control_(control),
      writable_control_(control),
      page_(nullptr),
      fences_(PinFences::choose()) {}

ReadSide::ReadSide(const std::byte* base, SlotPage* page)
    : base_(base),
      control_(reinterpret_cast<const ControlPage*>(base)),
      writable_control_(nullptr),
      page_(page),
      fences_(PinMode::sequential) {}

ReadSide::~ReadSide() {
  PERCH_ASSERT(slots_.claimed() == 0, "a PinSlot or a SharedSnapshot outlives its ReadSide");
}

PinSlot ReadSide::claim_slot() {
  auto slot = try_claim_slot();
  PERCH_ASSERT(slot.has_value(), "a process that pins more versions than its page has slots");
  return std::move(*slot);
}

std::optional<PinSlot> ReadSide::try_claim_slot() {
  if (page_ == nullptr) return PinSlot(*this, slots_.claim());
  Pins::Slot* const slot = page_->pins.claim();
  if (slot == nullptr) return std::nullopt;
  return PinSlot(*this, *slot);
}

SharedSnapshot ReadSide::acquire() {
  PinSlot slot = claim_slot();
  const Snapshot snapshot = slot.pin();
  return SharedSnapshot(std::move(slot), snapshot);
}

Version ReadSide::published_version() const noexcept {
  // Acquire: who sees version v here finds v or a later one when pinning.
  return control_->published_version.load(std::memory_order_acquire);
}

/// The nudges of this process, where they are counted apart: it cannot write the arena's signal.
std::uint32_t ReadSide::own_nudges() const noexcept {
  // Acquire: as for the signal.
  return page_ != nullptr ? page_->nudges.load(std::memory_order_acquire) : 0;
}

std::uint32_t ReadSide::signal() const noexcept {
  // Acquire: what was published or flagged before the signal changed is seen by who sees the change. Both
  // counts only grow, so their sum is the same only while both are.
  return control_->signal.load(std::memory_order_acquire) + own_nudges();
}

void ReadSide::wait_for_signal(std::uint32_t seen, std::int64_t timeout_ns) const noexcept {
  constexpr std::chrono::nanoseconds nudge_delay_max = std::chrono::milliseconds(10);
  const std::chrono::nanoseconds timeout(std::max<std::int64_t>(timeout_ns, 0));
  std::atomic<std::uint32_t>& sleepers = page_ != nullptr ? page_->sleepers : writable_control_->sleepers;
  // Sequentially consistent, paired with wake_sleepers (change the signal, then load sleepers): either they
  // see us among the sleepers and wake, or we, or the kernel, see the changed signal and do not sleep.
  sleepers.fetch_add(1, std::memory_order_seq_cst);
  if (page_ == nullptr) {
    futex_wait_shared(control_->signal, seen, timeout);
  } else {
    const std::uint32_t nudges = own_nudges();
    // Without futex_waitv the process's own nudges come late, commits do not.
    if (!futex_wait_both_shared(control_->signal, seen - nudges, page_->nudges, nudges, timeout))
      futex_wait_shared(control_->signal, seen - nudges, std::min(timeout, nudge_delay_max));
  }
  sleepers.fetch_sub(1, std::memory_order_relaxed);  // a late decrement costs one needless wake
}

void ReadSide::wake_sleepers() const noexcept {
  // Orders: see wait_for_signal. The increment is also a release of the caller's command flag.
  if (page_ != nullptr) {
    page_->nudges.fetch_add(1, std::memory_order_seq_cst);
    if (page_->sleepers.load(std::memory_order_seq_cst) > 0) futex_wake_all_shared(page_->nudges);
    return;
  }
  writable_control_->signal.fetch_add(1, std::memory_order_seq_cst);
  if (writable_control_->sleepers.load(std::memory_order_seq_cst) > 0 || processes_.has_sleepers())
    futex_wake_all_shared(control_->signal);
}

bool ReadSide::scan(std::vector<std::uint64_t>& words) const {
  if (!fences_.heavy()) return false;
  return processes_.scan(slots_, [&words](std::uint64_t word) { words.push_back(word); });
}

SharedSnapshot ReadSide::take_over(SlotPageId process, std::uint64_t word) {
  PinSlot slot = claim_slot();
  if (!processes_.take_over(process, word, *slot.slot_)) return nullptr;
  return SharedSnapshot(std::move(slot), Snapshot());
}

SharedSnapshot ReadSide::handed_over() const {
  Pins::Slot& slot = page_->pins.slots[SlotPage::handed_slot];
  // Relaxed: the message that announces it has ordered it.
  const std::uint64_t word = slot.word.load(std::memory_order_relaxed);
  if (word == 0) return nullptr;
  return SharedSnapshot(
      PinSlot(*this, slot),
      Snapshot(base_, reinterpret_cast<const VersionRecord*>(address(base_, word_ref(word)))));
}

}  // namespace perch::tree
