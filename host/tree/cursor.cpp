#include "tree/cursor.hpp"

#include <algorithm>

#include "tree/search.hpp"

namespace perch::tree {
namespace {

/// True when no key can lie between the bounds.
bool is_empty_range(Bound low, Bound high, std::uint32_t key_words) noexcept {
  if (low.key == nullptr || high.key == nullptr) return false;
  const int order = compare_keys(low.key, 1, high.key, 1, key_words);
  return order > 0 || (order == 0 && !(low.inclusive && high.inclusive));
}

}  // namespace

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
  end_index_ = to[0].index;
}

void Cursor::seek(const TableRoot& root, Bound bound, bool after_equal, Level* levels) const noexcept {
  Ref ref = root.root;
  for (std::uint32_t level = root.height; level-- > 0;) {
    const Node node(base_, ref, *geometry_);
    std::uint32_t index = 0;
    if (bound.key != nullptr) {
      index = level > 0 ? child_of(node, bound.key)
                        : (after_equal ? upper_bound(node, bound.key) : lower_bound(node, bound.key));
    }
    levels[level] = {ref, index};
    if (level > 0) ref = node.children()[index];
  }
}

bool Cursor::step_to_neighbour_leaf() noexcept {
  std::uint32_t level = 1;
  for (;; ++level) {
    if (level >= height_) return false;
    const Node node(base_, levels_[level].node, *geometry_);
    if (reverse_ ? levels_[level].index > 0 : levels_[level].index + 1 < node.count()) break;
  }
  levels_[level].index += reverse_ ? UINT32_MAX : 1u;
  while (level > 0) {
    const Node node(base_, levels_[level].node, *geometry_);
    const Ref child = node.children()[levels_[level].index];
    --level;
    const Node below(base_, child, *geometry_);
    const std::uint32_t last = level == 0 ? below.count() : below.count() - 1;
    levels_[level] = {child, reverse_ ? last : 0};
  }
  return true;
}

Run Cursor::next(std::uint32_t max_rows) noexcept {
  Run run;
  if (height_ == 0 || max_rows == 0) return run;
  for (;;) {
    Level& leaf_level = levels_[0];
    const Node leaf(base_, leaf_level.node, *geometry_);
    const bool last_leaf = leaf_level.node == end_leaf_;
    std::uint32_t available;
    if (reverse_) {
      const std::uint32_t stop = last_leaf ? end_index_ : 0;
      available = leaf_level.index > stop ? leaf_level.index - stop : 0;
    } else {
      const std::uint32_t stop = last_leaf ? end_index_ : leaf.count();
      available = stop > leaf_level.index ? stop - leaf_level.index : 0;
    }
    if (available == 0) {
      if (last_leaf || !step_to_neighbour_leaf()) {
        height_ = 0;
        return run;
      }
      continue;
    }
    run.count = std::min(available, max_rows);
    const std::uint32_t first = reverse_ ? leaf_level.index - 1 : leaf_level.index;
    run.values = leaf.value(first);
    run.value_stride = reverse_ ? -static_cast<std::ptrdiff_t>(geometry_->value_stride)
                                : static_cast<std::ptrdiff_t>(geometry_->value_stride);
    run.first_key = leaf.keys() + first;
    run.key_step = reverse_ ? -1 : 1;
    run.word_step = leaf.leaf_plane();
    leaf_level.index += reverse_ ? 0u - run.count : run.count;
    return run;
  }
}

}  // namespace perch::tree
