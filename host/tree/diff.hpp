// Diff: the net changes of one table between two versions. Part of the tree's read side.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tree/format.hpp"
#include "tree/snapshot.hpp"

namespace perch::tree {

enum class ChangeKind : std::uint32_t { inserted = 1, updated = 2, removed = 3 };

struct Change {
  ChangeKind kind;
  const std::byte* old_value;  ///< nullptr when inserted
  const std::byte* new_value;  ///< nullptr when removed
  std::uint64_t key[key_words_max];
};

/// Walks both trees at once and skips every subtree they share, so the cost follows the number of changes,
/// not the size of the table. Not thread safe; trivially copyable; both snapshots must stay pinned
/// throughout, since equal references mean equal nodes only then.
class Diff {
 public:
  Diff() = default;
  /// A row counts as updated when the first `compared_bytes` of its value differ.
  Diff(const Snapshot& previous, const Snapshot& current, TableIndex table,
       std::uint32_t compared_bytes) noexcept;

  /// The next change in key order; false at the end, and ever after.
  bool next(Change& change) noexcept;

 private:
  struct Level {
    Ref node;
    std::uint32_t index;
  };
  /// A position in one of the trees: the next row of a leaf, or the next child of an inner node, not yet
  /// entered.
  struct Side {
    Level levels[height_max];  // levels[level] is the innermost node entered; level == height: nothing
                               // entered yet
    std::uint32_t level;
    std::uint32_t height;  // 0: over
    Version version;       // no node of this side may be younger
  };

  bool at_row(const Side& side) const noexcept { return side.level == 0; }
  Ref item(const Side& side) const noexcept;
  void enter(Side& side) const noexcept;
  void advance(Side& side) const noexcept;
  void leave_finished(Side& side) const noexcept;
  bool skip_shared() noexcept;
  void fill(Change& change, ChangeKind kind) noexcept;
  int compare_rows() const noexcept;

  const std::byte* base_ = nullptr;
  const Geometry* geometry_ = nullptr;
  std::uint32_t compared_bytes_ = 0;
  Side old_{};
  Side new_{};
};

}  // namespace perch::tree
