#include "tree/table_tree.hpp"

#include <cstring>

#include "base/assert.hpp"
#include "tree/node_edit.hpp"
#include "tree/search.hpp"

namespace perch::tree {

// ---- Blocks

Ref TableTree::new_block(std::uint32_t units) {
  const Ref ref = context_.allocator.allocate(units);
  PERCH_ASSERT(ref != 0, "out of arena: the caller did not ask has_room, or its estimate is wrong");
  return ref;
}

Ref TableTree::new_node(NodeKind kind) {
  const Ref ref = new_block(units(kind == NodeKind::leaf));
  writable_node(ref).header() = NodeHeader{context_.building, 0, kind, 0};
  return ref;
}

void TableTree::drop_block(Ref ref, std::uint32_t units, Version birth) {
  if (birth == context_.building) {
    context_.allocator.release(ref, units);  // never published: nobody else knows it
  } else {
    context_.reclaimer.drop({birth, context_.building, ref, units});
  }
}

void TableTree::drop_node(Ref ref) {
  const NodeHeader& header = node(ref).header();
  drop_block(ref, units(header.kind == NodeKind::leaf), header.birth);
}

Ref TableTree::new_value() {
  const Ref block = new_block(geometry_.value_units);
  *reinterpret_cast<ValueHeader*>(address(context_.base, block)) = {context_.building};
  return block;
}

Version TableTree::value_birth(Ref block) const noexcept {
  return reinterpret_cast<const ValueHeader*>(address(context_.base, block))->birth;
}

void TableTree::drop_values(const Node& leaf, std::uint32_t from, std::uint32_t to) {
  if (geometry_.value_units == 0) return;
  for (std::uint32_t row = from; row < to; ++row) {
    const Ref block = leaf.value_refs()[row];
    drop_block(block, geometry_.value_units, value_birth(block));
  }
}

/// With all rows below it.
void TableTree::drop_subtree(Ref ref, std::uint32_t level) {
  const Node top = node(ref);
  if (level == 0) {
    root_.rows -= top.count();
    drop_values(top, 0, top.count());
  } else {
    for (std::uint32_t child = 0; child < top.count(); ++child)
      drop_subtree(top.children()[child], level - 1);
  }
  drop_node(ref);
}

/// A copy of a published node, which is dropped.
Ref TableTree::copy_node(Ref ref, bool leaf) {
  const std::uint32_t size = units(leaf);
  const Ref copy = new_block(size);
  const std::byte* const from = address(context_.base, ref);
  std::byte* const to = address(context_.base, copy);
  const Version birth = reinterpret_cast<const NodeHeader*>(from)->birth;
  // Whole, unused places too: a copy of a length that is always the same costs less than it saves.
  read_path().copy_units(from, to, size);
  reinterpret_cast<NodeHeader*>(to)->birth = context_.building;
  context_.reclaimer.drop({birth, context_.building, ref, size});
  return copy;
}

/// `ref` itself when it was born in the version being built, else a copy; the caller puts it into the parent.
Ref TableTree::make_writable(Ref ref) { return is_owned(ref) ? ref : copy_node(ref, node(ref).is_leaf()); }

// ---- The way down

/// Finds the key's place: path_[0] is its leaf and row. The tree is not empty.
bool TableTree::locate(const std::uint64_t* key) {
  if (path_is_kept_ && is_same_leaf_likely_ && is_in_kept_leaf(key)) {
    const Node leaf = node(path_[0].node);
    const std::uint32_t last = leaf.count() - 1;
    if (compare_keys(key, 1, leaf.keys() + last, leaf.leaf_plane(), geometry_.key_words) > 0) {
      path_[0].index = last + 1;  // an append
      return false;
    }
    path_[0].index = lower_bound(leaf, key);
    return key_equals(leaf, path_[0].index, key);
  }
  const Ref leaf_before = path_[0].node;
  const bool found = read_path().locate(context_.base, geometry_, root_.root, root_.height, key, path_);
  is_same_leaf_likely_ = path_[0].node == leaf_before;
  path_is_kept_ = true;
  leaf_range_.is_known = false;
  return found;
}

bool TableTree::is_in_kept_leaf(const std::uint64_t* key) noexcept {
  if (!leaf_range_.is_known) find_leaf_range();
  const std::uint32_t words = geometry_.key_words;
  return (leaf_range_.low_is_open || compare_keys(key, 1, leaf_range_.low, 1, words) >= 0) &&
         (leaf_range_.high_is_open || compare_keys(key, 1, leaf_range_.high, 1, words) < 0);
}

/// The separators around the leaf at path_[0] stand in the lowest nodes above it that have one at that side.
void TableTree::find_leaf_range() noexcept {
  leaf_range_.is_known = leaf_range_.low_is_open = leaf_range_.high_is_open = true;
  for (std::uint32_t level = 1; level < root_.height; ++level) {
    const Node inner = node(path_[level].node);
    const std::uint32_t child = path_[level].index;
    if (leaf_range_.low_is_open && child > 0) {
      get_key(inner.keys(), inner.inner_plane(), geometry_.key_words, child - 1, leaf_range_.low);
      leaf_range_.low_is_open = false;
    }
    if (leaf_range_.high_is_open && child + 1 < inner.count()) {
      get_key(inner.keys(), inner.inner_plane(), geometry_.key_words, child, leaf_range_.high);
      leaf_range_.high_is_open = false;
    }
  }
}

/// Makes all nodes of path_ writable. What is above a writable node is writable already.
void TableTree::own_path() {
  std::uint32_t level = 0;
  while (level < root_.height && !is_owned(path_[level].node)) ++level;
  while (level-- > 0) {
    const Ref copy = path_[level].node = copy_node(path_[level].node, level == 0);
    Ref& place = level + 1 == root_.height
                     ? root_.root
                     : writable_node(path_[level + 1].node).children()[path_[level + 1].index];
    place = copy;
  }
}

void TableTree::warm(const std::uint64_t* keys, std::uint32_t count) const {
  read_path().warm_leaves(context_.base, geometry_, root_.root, root_.height, keys, count);
}

const std::byte* TableTree::find(const std::uint64_t* key) const {
  return read_path().get(context_.base, geometry_, root_.root, root_.height, key);
}

// ---- Upsert

Placed TableTree::upsert(const std::uint64_t* key) {
  if (root_.root == 0) {
    root_.root = new_node(NodeKind::leaf);
    root_.height = 1;
    path_is_kept_ = false;
    context_.needs_changed = true;
  }
  const bool found = locate(key);
  if (!is_owned(path_[0].node)) own_path();
  WritableNode leaf = writable_node(path_[0].node);
  if (found) return {writable_value(leaf, path_[0].index), false};
  ++root_.rows;
  if (leaf.count() == geometry_.leaf_rows) return {split_leaf_and_insert(key), true};
  return {open_row(leaf, path_[0].index, key), true};
}

/// The row's value, its block copied first when readers may know it.
std::byte* TableTree::writable_value(WritableNode& leaf, std::uint32_t row) {
  if (geometry_.value_units == 0) return leaf.slot(row);
  Ref& block = leaf.value_refs()[row];
  const Version birth = value_birth(block);
  if (birth != context_.building) {
    const Ref copy = new_value();
    std::memcpy(address(context_.base, copy) + sizeof(ValueHeader), leaf.value(row), geometry_.value_stride);
    drop_block(block, geometry_.value_units, birth);
    block = copy;
  }
  return address(context_.base, block) + sizeof(ValueHeader);
}

/// Makes room for a row and gives it a zero value.
std::byte* TableTree::open_row(WritableNode& leaf, std::uint32_t row, const std::uint64_t* key) {
  const std::uint32_t moved = leaf.count() - row;
  if (moved > 0) {
    shift_keys(leaf.keys(), leaf.leaf_plane(), geometry_.key_words, row, row + 1, moved);
    std::memmove(leaf.slot(row + 1), leaf.slot(row), std::size_t{moved} * leaf.slot_bytes());
  }
  set_key(leaf.keys(), leaf.leaf_plane(), geometry_.key_words, row, key);
  leaf.set_count(leaf.count() + 1);
  std::byte* value = leaf.slot(row);
  if (geometry_.value_units != 0) {
    const Ref block = leaf.value_refs()[row] = new_value();
    value = address(context_.base, block) + sizeof(ValueHeader);
  }
  auto* const words = reinterpret_cast<std::uint64_t*>(value);
  for (std::uint32_t word = 0; word < geometry_.value_stride / 8; ++word) words[word] = 0;
  return value;
}

std::byte* TableTree::split_leaf_and_insert(const std::uint64_t* key) {
  const std::uint32_t row = path_[0].index;
  if (row == geometry_.leaf_rows && root_.height > 1 &&
      node(path_[1].node).count() < geometry_.inner_children) {
    return append_leaf_with(key);
  }
  path_is_kept_ = false;
  WritableNode left = writable_node(path_[0].node);
  const Ref right_ref = new_node(NodeKind::leaf);
  WritableNode right = writable_node(right_ref);
  const std::uint32_t rows = geometry_.leaf_rows;
  const std::uint32_t kept = row == rows ? rows : rows / 2;
  const std::uint32_t moved = rows - kept;
  move_keys(left.keys() + kept, right.keys(), left.leaf_plane(), geometry_.key_words, moved);
  std::memcpy(right.slot(0), left.slot(kept), std::size_t{moved} * left.slot_bytes());
  right.set_count(moved);
  left.set_count(kept);

  // At the border the row goes left, unless the left node is full.
  const bool into_right = row > kept || (row == kept && moved == 0);
  std::byte* const value = into_right ? open_row(right, row - kept, key) : open_row(left, row, key);
  std::uint64_t separator[key_words_max];
  get_key(right.keys(), right.leaf_plane(), geometry_.key_words, 0, separator);
  insert_child(1, separator, right_ref);
  return value;
}

/// A split at the end of a full leaf whose parent has room: the kept path goes on in the new leaf.
std::byte* TableTree::append_leaf_with(const std::uint64_t* key) {
  const Ref ref = new_node(NodeKind::leaf);
  WritableNode parent = writable_node(path_[1].node);
  place_child(parent, ++path_[1].index, key, ref);
  path_[0] = {ref, 0};
  std::memcpy(leaf_range_.low, key, geometry_.key_words * sizeof(std::uint64_t));
  leaf_range_.low_is_open = false;
  WritableNode leaf = writable_node(ref);
  return open_row(leaf, 0, key);
}

/// Puts `child` behind path_[level].index. `separator`: the smallest key below it.
void TableTree::insert_child(std::uint32_t level, const std::uint64_t* separator, Ref child) {
  if (level == root_.height) return grow_root(separator, child);
  WritableNode left = writable_node(path_[level].node);
  const std::uint32_t index = path_[level].index + 1;
  const std::uint32_t children = geometry_.inner_children;
  if (left.count() < children) return place_child(left, index, separator, child);

  const Ref right_ref = new_node(NodeKind::inner);
  WritableNode right = writable_node(right_ref);
  std::uint64_t up[key_words_max];
  if (index == children) {
    // The new child begins a node of its own; its separator moves up.
    right.children()[0] = child;
    right.set_count(1);
    std::memcpy(up, separator, geometry_.key_words * sizeof(std::uint64_t));
  } else {
    const std::uint32_t kept = children / 2;
    const std::uint32_t moved = children - kept;
    get_key(left.keys(), left.inner_plane(), geometry_.key_words, kept - 1, up);
    move_keys(left.keys() + kept, right.keys(), left.inner_plane(), geometry_.key_words, moved - 1);
    std::memcpy(right.children(), left.children() + kept, moved * sizeof(Ref));
    right.set_count(moved);
    left.set_count(kept);
    if (index <= kept) {
      place_child(left, index, separator, child);
    } else {
      place_child(right, index - kept, separator, child);
    }
  }
  insert_child(level + 1, up, right_ref);
}

/// `index` ≥ 1, and there is room.
void TableTree::place_child(WritableNode& inner, std::uint32_t index, const std::uint64_t* separator,
                            Ref child) {
  const std::uint32_t moved = inner.count() - index;
  shift_keys(inner.keys(), inner.inner_plane(), geometry_.key_words, index - 1, index, moved);
  set_key(inner.keys(), inner.inner_plane(), geometry_.key_words, index - 1, separator);
  std::memmove(inner.children() + index + 1, inner.children() + index, moved * sizeof(Ref));
  inner.children()[index] = child;
  inner.set_count(inner.count() + 1);
}

void TableTree::grow_root(const std::uint64_t* separator, Ref right) {
  PERCH_ASSERT(root_.height + 1 < height_max, "a tree higher than the arena could ever fill");
  const Ref ref = new_node(NodeKind::inner);
  WritableNode root = writable_node(ref);
  root.children()[0] = root_.root;
  root.set_count(1);
  place_child(root, 1, separator, right);
  root_.root = ref;
  ++root_.height;
  context_.needs_changed = true;
}

// ---- Room

// An upsert copies each node of its path once and splits each once, may add a root, and may copy a value.
void TableTree::add_upsert_needs(std::vector<Allocator::Need>& needs) const {
  needs.push_back({geometry_.leaf_units, 2});
  needs.push_back({geometry_.inner_units, 2 * root_.height + 1});
  if (geometry_.value_units != 0) needs.push_back({geometry_.value_units, 1});
}

// A range erase copies the nodes at both ends of the gap, those on the way to what is now beside it, and one
// neighbour of each.
void TableTree::add_erase_needs(std::vector<Allocator::Need>& needs) const {
  needs.push_back({geometry_.leaf_units, 6});
  needs.push_back({geometry_.inner_units, 6 * root_.height});
}

}  // namespace perch::tree
