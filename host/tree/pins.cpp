#include "tree/pins.hpp"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <climits>

#include "base/assert.hpp"

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
    : base_(base), control_(control), fences_(PinFences::choose()) {}

ReadSide::~ReadSide() {
  PERCH_ASSERT(slots_.claimed() == 0, "a PinSlot or a SharedSnapshot outlives its ReadSide");
}

PinSlot ReadSide::claim_slot() { return PinSlot(*this, slots_.claim()); }

SharedSnapshot ReadSide::acquire() {
  PinSlot slot = claim_slot();
  const Snapshot snapshot = slot.pin();
  return SharedSnapshot(std::move(slot), snapshot);
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

bool ReadSide::scan(std::vector<std::uint64_t>& words) const {
  if (!fences_.heavy()) return false;
  slots_.scan([&words](std::uint64_t word) { words.push_back(word); });
  return true;
}

}  // namespace perch::tree
