// StepPins: the two versions that a reader's step stands on.
#pragma once

#include <chrono>

#include "instances/pin_notes.hpp"
#include "reading/snapshot_access.hpp"
#include "tree/pins.hpp"

namespace perch::instances {

/// Between two steps only `current` is pinned, so a slow reader retains one version; during a step both are.
/// For the reader's thread alone.
///
/// Invariants
///   1. The next step's `previous` is this step's `current`: the steps tile all versions.
///   2. The perch_snapshot of a version keeps its address as long as it is one of the two.
class StepPins {
 public:
  using Time = std::chrono::steady_clock::time_point;

  /// `notes`: where others see what is pinned.
  StepPins(tree::ReadSide& reads, const reading::BoundTables& tables, PinNotes& notes);

  /// The next step begins at this version; null: at version 0. Before the first step, or after
  /// `share_current`.
  void start_at(tree::SharedSnapshot snapshot, Time now);
  /// current becomes previous; the published version is pinned as current.
  void begin_step(Time now);
  /// Gives previous's pin up.
  void end_step();
  /// Another holder for current's pin; null at version 0, which needs none.
  tree::SharedSnapshot share_current();
  /// Gives both pins up.
  void release();

  const perch_snapshot* previous() const noexcept { return &sides_[1 - current_].snapshot; }
  const perch_snapshot* current() const noexcept { return &sides_[current_].snapshot; }
  tree::Version current_version() const noexcept { return current()->view.version(); }

 private:
  /// A version, held by the slot or by `shared`.
  struct Side {
    tree::PinSlot slot;
    bool slot_claimed = false;
    tree::SharedSnapshot shared;
    perch_snapshot snapshot;
    PinNote* note = nullptr;

    void give_up() noexcept;
  };

  tree::ReadSide& reads_;
  Side sides_[2];
  int current_ = 0;
};

}  // namespace perch::instances
