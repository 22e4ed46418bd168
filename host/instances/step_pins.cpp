#include "instances/step_pins.hpp"

#include <memory>
#include <utility>

namespace perch::instances {

StepPins::StepPins(tree::ReadSide& reads, const reading::BoundTables& tables, PinNotes& notes)
    : reads_(reads) {
  for (std::size_t i = 0; i < notes.size(); ++i) {
    sides_[i].snapshot.tables = &tables;
    sides_[i].note = &notes[i];
  }
}

void StepPins::Side::give_up() noexcept {
  if (slot_claimed) slot.unpin();
  shared.reset();
  snapshot.view = tree::Snapshot();
  snapshot.tag = perch_snapshot::dead;
  note->clear();
}

void StepPins::start_at(tree::SharedSnapshot snapshot, Time now) {
  Side& side = sides_[current_];
  side.give_up();
  side.snapshot.tag = perch_snapshot::alive;
  if (snapshot == nullptr) return;
  side.snapshot.view = snapshot->snapshot();
  side.shared = std::move(snapshot);
  side.note->set(side.snapshot.view.version(), now);
}

void StepPins::begin_step(Time now) {
  current_ = 1 - current_;
  Side& side = sides_[current_];
  side.give_up();
  if (!std::exchange(side.slot_claimed, true)) side.slot = reads_.claim_slot();
  side.snapshot.view = side.slot.pin();
  side.snapshot.tag = perch_snapshot::alive;
  side.note->set(side.snapshot.view.version(), now);
}

void StepPins::end_step() { sides_[1 - current_].give_up(); }

tree::SharedSnapshot StepPins::share_current() {
  Side& side = sides_[current_];
  if (side.shared == nullptr && side.snapshot.view.version() > 0) {
    side.shared = tree::SharedSnapshot(std::move(side.slot), side.snapshot.view);
    side.slot_claimed = false;
  }
  return side.shared;
}

void StepPins::release() {
  for (Side& side : sides_) side.give_up();
}

}  // namespace perch::instances
