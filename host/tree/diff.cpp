#include "tree/diff.hpp"

#include <cstring>

#include "base/assert.hpp"
#include "tree/search.hpp"

namespace perch::tree {

// Each side is a position in its tree whose next item is a row of a leaf or a child not yet entered. As long
// as both next items are children with the same reference, they hold the same rows and nothing can lie
// between: both are skipped, whatever their neighbours look like. Otherwise the taller item is entered, until
// rows meet rows.

Diff::Diff(const Snapshot& previous, const Snapshot& current, TableIndex table,
           std::uint32_t compared_bytes) noexcept
    : base_(current.base()), compared_bytes_(compared_bytes) {
  const TableRoot old_root = previous.root(table);
  const TableRoot new_root = current.root(table);
  if (base_ == nullptr) base_ = previous.base();
  if (base_ != nullptr) geometry_ = &reinterpret_cast<const ControlPage*>(base_)->geometry[table];
  old_.height = old_.level = old_root.height;
  new_.height = new_.level = new_root.height;
  old_.version = previous.version();
  new_.version = current.version();
  // The root is the only "child" of an imaginary level above it.
  if (old_.height > 0 && old_.height < height_max) old_.levels[old_.height] = {old_root.root, 0};
  if (new_.height > 0 && new_.height < height_max) new_.levels[new_.height] = {new_root.root, 0};
}

Ref Diff::item(const Side& side) const noexcept {
  const Level& level = side.levels[side.level];
  if (side.level == side.height) return level.node;
  return Node(base_, level.node, *geometry_).children()[level.index];
}

void Diff::enter(Side& side) const noexcept {
  const Ref child = item(side);
  PERCH_ASSERT(Node(base_, child, *geometry_).header().birth <= side.version,
               "a node younger than its snapshot: the snapshot was not pinned throughout");
  --side.level;
  side.levels[side.level] = {child, 0};
}

/// Leaves every node whose items are used up.
void Diff::leave_finished(Side& side) const noexcept {
  while (side.level < side.height) {
    const Level& level = side.levels[side.level];
    if (level.index < Node(base_, level.node, *geometry_).count()) return;
    ++side.level;
    ++side.levels[side.level].index;
  }
  if (side.levels[side.level].index > 0) side.height = 0;  // the root is done
}

void Diff::advance(Side& side) const noexcept {
  ++side.levels[side.level].index;
  leave_finished(side);
}

/// Skips what both sides share at their positions; false when nothing is shared.
bool Diff::skip_shared() noexcept {
  if (old_.level != new_.level) return false;
  Level& old_level = old_.levels[old_.level];
  Level& new_level = new_.levels[new_.level];
  const bool above_root = old_.level == old_.height || new_.level == new_.height;
  if (!above_root && old_level.node == new_level.node && old_level.index == new_level.index) {
    // The same place of the same node: all that is left of it is shared.
    old_level.index = new_level.index = Node(base_, old_level.node, *geometry_).count();
    leave_finished(old_);
    leave_finished(new_);
    return true;
  }
  if (at_row(old_) || item(old_) != item(new_)) return false;
  advance(old_);
  advance(new_);
  return true;
}

int Diff::compare_rows() const noexcept {
  const Node old_leaf(base_, old_.levels[0].node, *geometry_);
  const Node new_leaf(base_, new_.levels[0].node, *geometry_);
  return compare_keys(old_leaf.keys() + old_.levels[0].index, old_leaf.leaf_plane(),
                      new_leaf.keys() + new_.levels[0].index, new_leaf.leaf_plane(), geometry_->key_words);
}

void Diff::fill(Change& change, ChangeKind kind) noexcept {
  change.kind = kind;
  change.old_value = nullptr;
  change.new_value = nullptr;
  const Side& keyed = kind == ChangeKind::removed ? old_ : new_;
  const Node leaf(base_, keyed.levels[0].node, *geometry_);
  for (std::uint32_t word = 0; word < geometry_->key_words; ++word) {
    change.key[word] = leaf.keys()[std::size_t{word} * leaf.leaf_plane() + keyed.levels[0].index];
  }
  if (kind != ChangeKind::inserted) {
    change.old_value = Node(base_, old_.levels[0].node, *geometry_).value(old_.levels[0].index);
  }
  if (kind != ChangeKind::removed) change.new_value = leaf.value(keyed.levels[0].index);
}

bool Diff::next(Change& change) noexcept {
  while (old_.height > 0 || new_.height > 0) {
    if (old_.height > 0 && new_.height > 0) {
      if (skip_shared()) continue;
      if (!at_row(old_) || !at_row(new_)) {
        enter(old_.level >= new_.level ? old_ : new_);
        continue;
      }
      const int order = compare_rows();
      if (order < 0) {
        fill(change, ChangeKind::removed);
        advance(old_);
        return true;
      }
      if (order > 0) {
        fill(change, ChangeKind::inserted);
        advance(new_);
        return true;
      }
      fill(change, ChangeKind::updated);
      advance(old_);
      advance(new_);
      if (std::memcmp(change.old_value, change.new_value, compared_bytes_) != 0) return true;
      continue;
    }
    Side& left_over = old_.height > 0 ? old_ : new_;
    if (!at_row(left_over)) {
      enter(left_over);
      continue;
    }
    fill(change, old_.height > 0 ? ChangeKind::removed : ChangeKind::inserted);
    advance(left_over);
    return true;
  }
  return false;
}

}  // namespace perch::tree
