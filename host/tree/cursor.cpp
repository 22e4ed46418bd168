#include "tree/cursor.hpp"

#include <algorithm>

#include "tree/search.hpp"

namespace perch::tree {

Cursor::Cursor(const Snapshot& snapshot, TableIndex table, Bound low, Bound high, bool reverse) noexcept
    : base_(snapshot.base()), reverse_(reverse) {
  const TableRoot root = snapshot.root(table);
  if (root.root == 0) return;
  geometry_ = &snapshot.geometry(table);
  if (is_empty_range(low, high, geometry_->key_words)) return;
  height_ = root.height;

  // Both ends as positions "before row `index` of leaf": the scan compares no key after this.
  Level begin[height_max];
  Level end[height_max];
  seek(root, low, low.key != nullptr && !low.inclusive, begin);
  if (high.key != nullptr) {
    seek(root, high, high.inclusive, end);
  } else {
    Ref ref = root.root;
    for (std::uint32_t level = height_; level-- > 0;) {
      const Node node(base_, ref, *geometry_);
      end[level] = {ref, level == 0 ? node.count() : node.count() - 1};
      if (level > 0) ref = node.children()[node.count() - 1];
    }
  }
  const Level* from = reverse ? end : begin;
  const Level* to = reverse ? begin : end;
  std::copy_n(from, height_, levels_);
  end_leaf_ = to[0].node;
  end_row_ = to[0].index;
  enter_parent();
  enter_leaf();
  row_ = levels_[0].index;
}

void Cursor::seek(const TableRoot& root, Bound bound, bool after_equal, Level* levels) const noexcept {
  Ref ref = root.root;
  for (std::uint32_t level = root.height; level-- > 0;) {
    const Node node(base_, ref, *geometry_);
    std::uint32_t index = 0;
    if (bound.key != nullptr) {
      index = level > 0 ? child_of(node, bound.key) : rows_before(node, bound.key, after_equal);
    }
    levels[level] = {ref, index};
    if (level > 0) ref = node.children()[index];
  }
}

/// Takes levels_[0].node as the leaf at hand, with all its rows up to where the scan ends.
void Cursor::enter_leaf() noexcept {
  const std::uint32_t count = Node(base_, levels_[0].node, *geometry_).count();
  const bool is_last = levels_[0].node == end_leaf_;
  row_ = reverse_ ? count : 0;
  stop_ = is_last ? end_row_ : (reverse_ ? 0 : count);
}

void Cursor::enter_parent() noexcept {
  if (height_ < 2) return;
  const Node parent(base_, levels_[1].node, *geometry_);
  siblings_ = parent.children();
  sibling_count_ = parent.count();
}

/// False at the end.
bool Cursor::step_to_neighbour_leaf() noexcept {
  if (levels_[0].node == end_leaf_ || height_ < 2) return false;
  Level& at = levels_[1];
  if (reverse_ ? at.index > 0 : at.index + 1 < sibling_count_) {
    at.index += reverse_ ? UINT32_MAX : 1u;
  } else if (!step_to_neighbour_parent()) {
    return false;
  }
  levels_[0].node = siblings_[at.index];
  load_ahead();
  enter_leaf();
  return true;
}

/// A scan that has gone beyond its first leaf loads those to come, a few more a step than it uses until it is
/// far enough ahead: first each leaf's head, which tells how many rows there are, then the lines that these
/// rows fill.
void Cursor::load_ahead() noexcept {
  constexpr std::uint32_t heads_ahead_max = 12;
  constexpr std::uint32_t leaves_ahead_max = 6;
  const std::uint32_t index = levels_[1].index;
  if (heads_ahead_ == heads_ahead_max && !reverse_ && index + heads_ahead_max < sibling_count_) {
    // Under way, and all of them below this parent.
    __builtin_prefetch(address(base_, siblings_[index + heads_ahead_max]));
    load_rows(siblings_[index + leaves_ahead_max]);
    return;
  }
  if (heads_ahead_ > 0) --heads_ahead_;
  if (leaves_ahead_ > 0) --leaves_ahead_;
  for (int times = 0; times < 3 && heads_ahead_ < heads_ahead_max; ++times) {
    const Ref ahead = leaf_ahead(++heads_ahead_);
    if (ahead != 0) __builtin_prefetch(address(base_, ahead));
  }
  for (int times = 0; times < 2 && leaves_ahead_ < leaves_ahead_max; ++times) {
    const Ref ahead = leaf_ahead(++leaves_ahead_);
    if (ahead != 0) load_rows(ahead);
  }
}

/// Starts loading the lines that a leaf's rows fill, but for the first.
void Cursor::load_rows(Ref leaf) const noexcept {
  constexpr std::uint32_t loaded_bytes_max = 2048;
  const std::byte* line = address(base_, leaf);
  const std::uint32_t value_bytes =
      reinterpret_cast<const NodeHeader*>(line)->count * geometry_->value_stride;
  const std::byte* const end = line + geometry_->leaf_values_offset + std::min(value_bytes, loaded_bytes_max);
  for (line += unit_bytes; line < end; line += unit_bytes) __builtin_prefetch(line);
}

/// Goes to the first leaf of the next parent (the last of the previous one, in reverse).
bool Cursor::step_to_neighbour_parent() noexcept {
  std::uint32_t level = 2;
  for (;; ++level) {
    if (level >= height_) return false;
    const Node node(base_, levels_[level].node, *geometry_);
    if (reverse_ ? levels_[level].index > 0 : levels_[level].index + 1 < node.count()) break;
  }
  levels_[level].index += reverse_ ? UINT32_MAX : 1u;
  for (; level > 1; --level) {
    const Ref child = Node(base_, levels_[level].node, *geometry_).children()[levels_[level].index];
    levels_[level - 1] = {child, reverse_ ? Node(base_, child, *geometry_).count() - 1 : 0};
  }
  enter_parent();
  return true;
}

/// The leaf `distance` behind this one; 0 when it is not below this parent or the one beside it. Their
/// references stand in the parents.
Ref Cursor::leaf_ahead(std::uint32_t distance) const noexcept {
  const Level& at = levels_[1];
  const std::uint32_t left = reverse_ ? at.index : sibling_count_ - 1 - at.index;
  if (distance <= left) return siblings_[reverse_ ? at.index - distance : at.index + distance];
  if (height_ < 3) return 0;
  const Level& above = levels_[2];
  const Node grandparent(base_, above.node, *geometry_);
  if (reverse_ ? above.index == 0 : above.index + 1 == grandparent.count()) return 0;
  const Node next(base_, grandparent.children()[reverse_ ? above.index - 1 : above.index + 1], *geometry_);
  const std::uint32_t behind = distance - left - 1;
  if (behind >= next.count()) return 0;
  return next.children()[reverse_ ? next.count() - 1 - behind : behind];
}

Run Cursor::next(std::uint32_t max_rows) noexcept {
  Run run;
  if (height_ == 0 || max_rows == 0) return run;
  while (row_ == stop_) {
    if (!step_to_neighbour_leaf()) {
      height_ = 0;
      return run;
    }
  }
  const std::uint32_t available = reverse_ ? row_ - stop_ : stop_ - row_;
  run.count = std::min(available, geometry_->value_units == 0 ? max_rows : 1);
  const std::uint32_t first = reverse_ ? row_ - 1 : row_;
  const Node leaf(base_, levels_[0].node, *geometry_);
  run.values = leaf.value(first);
  run.value_stride = reverse_ ? -static_cast<std::ptrdiff_t>(geometry_->value_stride)
                              : static_cast<std::ptrdiff_t>(geometry_->value_stride);
  run.first_key = leaf.keys() + first;
  run.key_step = reverse_ ? -1 : 1;
  run.word_step = leaf.leaf_plane();
  row_ += reverse_ ? 0u - run.count : run.count;
  return run;
}

}  // namespace perch::tree
