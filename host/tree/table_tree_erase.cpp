// TableTree's erasing: of a row, of a range, of the first rows, and what restores small nodes afterwards.
#include <algorithm>
#include <cstring>

#include "tree/node_edit.hpp"
#include "tree/search.hpp"
#include "tree/table_tree.hpp"

namespace perch::tree {
namespace {

std::uint32_t rows_below(const Node& leaf, Bound high) {
  return high.key == nullptr ? leaf.count() : rows_before(leaf, high.key, high.inclusive);
}

}  // namespace

// ---- Erase

bool TableTree::erase(const std::uint64_t* key) {
  if (root_.root == 0 || !locate(key)) return false;  // copies nothing for a row that is not there
  own_path();
  WritableNode leaf = writable_node(path_[0].node);
  drop_values(leaf, path_[0].index, path_[0].index + 1);
  close_rows(leaf, path_[0].index, path_[0].index + 1);
  --root_.rows;
  if (leaf.count() * 3 <= geometry_.leaf_rows) shrink_path();
  return true;
}

/// Their values have been dropped.
void TableTree::close_rows(WritableNode& leaf, std::uint32_t from, std::uint32_t to) {
  const std::uint32_t moved = leaf.count() - to;
  shift_keys(leaf.keys(), leaf.leaf_plane(), geometry_.key_words, to, from, moved);
  std::memmove(leaf.slot(from), leaf.slot(to), std::size_t{moved} * leaf.slot_bytes());
  leaf.set_count(from + moved);
}

// ---- Range erase
//
// The recursive ones return what takes the node's place in its parent: itself, untouched; a writable copy; or
// 0 when nothing of it is left. A node that goes is never copied.

std::uint64_t TableTree::erase_range(Bound low, Bound high) {
  if (root_.root == 0 || is_empty_range(low, high, geometry_.key_words)) return 0;
  const std::uint64_t before = root_.rows;
  root_.root = erase_range_in(root_.root, root_.height - 1, low, high);
  std::uint64_t erased = after_range(before, low.key);
  if (low.key != nullptr && high.key != nullptr) after_range(before, high.key);
  return erased;
}

std::uint64_t TableTree::erase_first(std::uint64_t rows, Bound high) {
  if (root_.root == 0 || rows == 0) return 0;
  const std::uint64_t before = root_.rows;
  root_.root = erase_first_in(root_.root, root_.height - 1, rows, high);
  return after_range(before, nullptr);
}

Ref TableTree::erase_range_in(Ref ref, std::uint32_t level, Bound low, Bound high) {
  const Node top = node(ref);
  if (low.key == nullptr && high.key == nullptr) {
    drop_subtree(ref, level);
    return 0;
  }
  if (level == 0) {
    const std::uint32_t from = low.key == nullptr ? 0 : rows_before(top, low.key, !low.inclusive);
    return erase_rows(ref, from, rows_below(top, high));
  }
  const std::uint32_t first = low.key == nullptr ? 0 : child_of(top, low.key);
  const std::uint32_t last = high.key == nullptr ? top.count() - 1 : child_of(top, high.key);
  if (first == last) {
    const Ref child = erase_range_in(top.children()[first], level - 1, low, high);
    return keep_children(ref, first, child, first, child);
  }
  const Ref first_child = erase_range_in(top.children()[first], level - 1, low, {});
  for (std::uint32_t child = first + 1; child < last; ++child) drop_subtree(top.children()[child], level - 1);
  const Ref last_child = erase_range_in(top.children()[last], level - 1, {}, high);
  return keep_children(ref, first, first_child, last, last_child);
}

Ref TableTree::erase_first_in(Ref ref, std::uint32_t level, std::uint64_t& rows, Bound high) {
  const Node top = node(ref);
  if (level == 0) {
    const auto taken = static_cast<std::uint32_t>(std::min<std::uint64_t>(rows, rows_below(top, high)));
    rows -= taken;
    return erase_rows(ref, 0, taken);
  }
  const std::uint32_t end = high.key == nullptr ? top.count() - 1 : child_of(top, high.key);
  std::uint32_t last = 0;
  Ref last_child = 0;
  for (;; ++last) {
    last_child = erase_first_in(top.children()[last], level - 1, rows, last == end ? high : Bound{});
    if (last_child != 0 || last == end || rows == 0) break;
  }
  return keep_children(ref, 0, last == 0 ? last_child : 0, last, last_child);
}

/// Of the children first … last of an inner node the first and the last one stay, as `first_child` and
/// `last_child`, when these are not 0; those between are gone.
Ref TableTree::keep_children(Ref ref, std::uint32_t first, Ref first_child, std::uint32_t last,
                             Ref last_child) {
  const Node top = node(ref);
  const bool first_stays = first_child != 0;
  const bool last_stays = last != first && last_child != 0;
  const std::uint32_t from = first_stays ? first + 1 : first;
  const std::uint32_t to = last_stays ? last : last + 1;
  if (from >= to && first_child == top.children()[first] && last_child == top.children()[last]) return ref;
  if (from == 0 && to == top.count()) {
    drop_node(ref);
    return 0;
  }
  const Ref copy = make_writable(ref);
  WritableNode inner = writable_node(copy);
  if (first_stays) inner.children()[first] = first_child;
  if (last_stays) inner.children()[last] = last_child;
  if (from < to) remove_children(inner, from, to);
  return copy;
}

Ref TableTree::erase_rows(Ref ref, std::uint32_t from, std::uint32_t to) {
  if (from >= to) return ref;
  const Node old_leaf = node(ref);
  if (to - from == old_leaf.count()) {
    drop_subtree(ref, 0);
    return 0;
  }
  root_.rows -= to - from;
  const Ref copy = make_writable(ref);
  WritableNode leaf = writable_node(copy);
  drop_values(leaf, from, to);
  close_rows(leaf, from, to);
  return copy;
}

/// Restores what range erase left too small: the root, and the nodes around the edge of the gap. `edge` null:
/// the smallest key. Returns the rows that went.
std::uint64_t TableTree::after_range(std::uint64_t rows_before, const std::uint64_t* edge) {
  const std::uint64_t erased = rows_before - root_.rows;
  if (erased == 0) return 0;
  path_is_kept_ = false;
  collapse_root();
  if (root_.root != 0) {
    static constexpr std::uint64_t smallest[key_words_max] = {};
    read_path().locate(context_.base, geometry_, root_.root, root_.height, edge ? edge : smallest, path_);
    own_path();
    shrink_path();
  }
  return erased;
}

// ---- Shrinking

/// Empties and small nodes on path_, which is writable: taken away, or joined with a neighbour.
void TableTree::shrink_path() {
  for (std::uint32_t level = 0; level + 1 < root_.height; ++level) {
    const Ref ref = path_[level].node;
    PathStep& parent = path_[level + 1];
    const std::uint32_t count = node(ref).count();
    if (count == 0) {
      WritableNode inner = writable_node(parent.node);
      remove_children(inner, parent.index, parent.index + 1);
      drop_node(ref);
      path_is_kept_ = false;
    } else if (count * 3 <= capacity(level == 0) && merge_with_neighbour(parent, level == 0)) {
      path_is_kept_ = false;
    }
  }
  collapse_root();
}

/// Joins the parent's chosen child with the one beside it if both fit well in a node.
bool TableTree::merge_with_neighbour(PathStep& parent_step, bool leaves) {
  WritableNode parent = writable_node(parent_step.node);
  const auto fits = [&](std::uint32_t left) {
    if (left + 1 >= parent.count()) return false;
    return (node(parent.children()[left]).count() + node(parent.children()[left + 1]).count()) * 4 <=
           capacity(leaves) * 3;
  };
  std::uint32_t left = parent_step.index;
  if (left > 0 && fits(left - 1)) {
    --left;
  } else if (!fits(left)) {
    return false;
  }
  const Ref left_ref = parent.children()[left] = make_writable(parent.children()[left]);
  const Ref right_ref = parent.children()[left + 1];
  WritableNode left_node = writable_node(left_ref);
  if (leaves) {
    append_leaf(left_node, node(right_ref));
  } else {
    std::uint64_t separator[key_words_max];
    get_key(parent.keys(), parent.inner_plane(), geometry_.key_words, left, separator);
    append_inner(left_node, separator, node(right_ref));
  }
  remove_children(parent, left + 1, left + 2);
  drop_node(right_ref);
  return true;
}

void TableTree::append_leaf(WritableNode& left, const Node& right) {
  const std::uint32_t count = left.count();
  move_keys(right.keys(), left.keys() + count, left.leaf_plane(), geometry_.key_words, right.count());
  std::memcpy(left.slot(count), right.slot(0), std::size_t{right.count()} * left.slot_bytes());
  left.set_count(count + right.count());
}

void TableTree::append_inner(WritableNode& left, const std::uint64_t* separator, const Node& right) {
  const std::uint32_t count = left.count();
  set_key(left.keys(), left.inner_plane(), geometry_.key_words, count - 1, separator);
  move_keys(right.keys(), left.keys() + count, left.inner_plane(), geometry_.key_words, right.count() - 1);
  std::memcpy(left.children() + count, right.children(), right.count() * sizeof(Ref));
  left.set_count(count + right.count());
}

/// With the separators before them; the smallest child that is left has none.
void TableTree::remove_children(WritableNode& inner, std::uint32_t from, std::uint32_t to) {
  const std::uint32_t count = inner.count();
  const std::uint32_t moved = count - to;
  if (moved > 0) {
    // Child i stands behind separator i − 1. When the first ones go, the separator before the new first one
    // goes too.
    const std::uint32_t first = from > 0 ? from - 1 : 0;
    const std::uint32_t behind = from > 0 ? to - 1 : to;
    shift_keys(inner.keys(), inner.inner_plane(), geometry_.key_words, behind, first, count - 1 - behind);
    std::memmove(inner.children() + from, inner.children() + to, moved * sizeof(Ref));
  }
  inner.set_count(from + moved);
}

void TableTree::collapse_root() {
  while (root_.height > 0) {
    if (root_.root == 0) {
      path_is_kept_ = false;
      root_.height = 0;
      context_.needs_changed = true;
      return;
    }
    const Node root = node(root_.root);
    if (root.count() == 0) {
      drop_node(root_.root);
      root_.root = 0;
    } else if (!root.is_leaf() && root.count() == 1) {
      const Ref child = root.children()[0];
      drop_node(root_.root);
      path_is_kept_ = false;
      root_.root = child;
      --root_.height;
      context_.needs_changed = true;
    } else {
      return;
    }
  }
}

}  // namespace perch::tree
