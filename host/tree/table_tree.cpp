#include "tree/table_tree.hpp"

#include <cstring>

#include "base/assert.hpp"
#include "tree/search.hpp"

namespace perch::tree {
namespace {

/// Copies `count` keys between the planes of two nodes.
void copy_keys(const std::uint64_t* from, std::uint64_t* to, std::uint32_t plane, std::uint32_t key_words,
               std::uint32_t count) noexcept {
  for (std::uint32_t word = 0; word < key_words; ++word) {
    std::memcpy(to + std::size_t{word} * plane, from + std::size_t{word} * plane,
                count * sizeof(std::uint64_t));
  }
}

/// Moves the keys from `from` on to begin at `to`, within a node.
void shift_keys(std::uint64_t* keys, std::uint32_t plane, std::uint32_t key_words, std::uint32_t from,
                std::uint32_t to, std::uint32_t count) noexcept {
  for (std::uint32_t word = 0; word < key_words; ++word) {
    std::uint64_t* const words = keys + std::size_t{word} * plane;
    std::memmove(words + to, words + from, count * sizeof(std::uint64_t));
  }
}

void set_key(std::uint64_t* keys, std::uint32_t plane, std::uint32_t key_words, std::uint32_t index,
             const std::uint64_t* key) noexcept {
  for (std::uint32_t word = 0; word < key_words; ++word) keys[std::size_t{word} * plane + index] = key[word];
}

void get_key(const std::uint64_t* keys, std::uint32_t plane, std::uint32_t key_words, std::uint32_t index,
             std::uint64_t* key) noexcept {
  for (std::uint32_t word = 0; word < key_words; ++word) key[word] = keys[std::size_t{word} * plane + index];
}

}  // namespace

// ---- Nodes
// --------------------------------------------------------------------------------------------------------

Ref TableTree::new_node(NodeKind kind) {
  const Ref ref = context_.allocator.allocate(units(kind == NodeKind::leaf));
  PERCH_ASSERT(ref != 0, "out of arena: the caller did not ask has_room, or its estimate is wrong");
  writable_node(ref).header() = NodeHeader{context_.building, 0, kind, 0};
  return ref;
}

void TableTree::drop_node(Ref ref) {
  const NodeHeader& header = node(ref).header();
  const std::uint32_t size = units(header.kind == NodeKind::leaf);
  if (header.birth == context_.building) {
    context_.allocator.release(ref, size);  // never published: nobody else knows it
  } else {
    context_.reclaimer.drop({header.birth, context_.building, ref, size});
  }
}

void TableTree::copy_node(Ref from_ref, Ref to_ref) {
  const Node from = node(from_ref);
  WritableNode to = writable_node(to_ref);
  const std::uint32_t count = from.count();
  to.set_count(count);
  if (from.is_leaf()) {
    copy_keys(from.keys(), to.keys(), from.leaf_plane(), geometry_.key_words, count);
    std::memcpy(to.value(0), from.value(0), std::size_t{count} * geometry_.value_stride);
  } else {
    copy_keys(from.keys(), to.keys(), from.inner_plane(), geometry_.key_words, count - 1);
    std::memcpy(to.children(), from.children(), count * sizeof(Ref));
  }
}

/// `ref` itself when it was born in the version being built, else a copy; the caller puts it into the parent.
Ref TableTree::make_writable(Ref ref) {
  const NodeHeader& header = node(ref).header();
  if (header.birth == context_.building) return ref;
  const Ref copy = new_node(header.kind);
  copy_node(ref, copy);
  drop_node(ref);
  return copy;
}

/// Makes the way to the key's leaf writable; returns the leaf. The tree is not empty.
Ref TableTree::descend(const std::uint64_t* key, Step* path) {
  Ref ref = root_.root;
  Ref* from_above = &root_.root;
  for (std::uint32_t level = root_.height - 1; level > 0; --level) {
    // The child's lines arrive while this node is copied.
    const std::uint32_t child = child_of(node(ref), key);
    const Ref child_ref = node(ref).children()[child];
    prefetch_node(child_ref, level == 1);
    ref = *from_above = make_writable(ref);
    path[level] = {ref, child};
    from_above = writable_node(ref).children() + child;
    ref = child_ref;
  }
  return *from_above = make_writable(ref);
}

void TableTree::prefetch_node(Ref ref, bool leaf) const noexcept {
  const std::byte* const start = address(context_.base, ref);
  for (std::uint32_t unit = 0; unit < units(leaf); ++unit) __builtin_prefetch(start + unit * unit_bytes);
}

// ---- Reads
// --------------------------------------------------------------------------------------------------------

const std::byte* TableTree::find(const std::uint64_t* key) const {
  if (root_.root == 0) return nullptr;
  Ref ref = root_.root;
  for (std::uint32_t level = root_.height - 1; level > 0; --level) {
    const Node inner = node(ref);
    ref = inner.children()[child_of(inner, key)];
  }
  const Node leaf = node(ref);
  const std::uint32_t row = lower_bound(leaf, key);
  return row < leaf.count() && key_equals(leaf, row, key) ? leaf.value(row) : nullptr;
}

// ---- Upsert
// -------------------------------------------------------------------------------------------------------

void TableTree::open_row(WritableNode& leaf, std::uint32_t row, const std::uint64_t* key) {
  const std::uint32_t moved = leaf.count() - row;
  shift_keys(leaf.keys(), leaf.leaf_plane(), geometry_.key_words, row, row + 1, moved);
  set_key(leaf.keys(), leaf.leaf_plane(), geometry_.key_words, row, key);
  std::memmove(leaf.value(row + 1), leaf.value(row), std::size_t{moved} * geometry_.value_stride);
  std::memset(leaf.value(row), 0, geometry_.value_stride);
  leaf.set_count(leaf.count() + 1);
}

Placed TableTree::upsert(const std::uint64_t* key) {
  if (root_.root == 0) {
    root_.root = new_node(NodeKind::leaf);
    root_.height = 1;
    context_.needs_changed = true;
  }
  Step path[height_max];
  const Ref leaf_ref = descend(key, path);
  WritableNode leaf = writable_node(leaf_ref);
  const std::uint32_t row = lower_bound(leaf, key);
  if (row < leaf.count() && key_equals(leaf, row, key)) return {leaf.value(row), false};
  ++root_.rows;
  if (leaf.count() == geometry_.leaf_rows) return split_leaf_and_insert(leaf_ref, row, key, path);
  open_row(leaf, row, key);
  return {leaf.value(row), true};
}

Placed TableTree::split_leaf_and_insert(Ref left_ref, std::uint32_t row, const std::uint64_t* key,
                                        Step* path) {
  WritableNode left = writable_node(left_ref);
  const Ref right_ref = new_node(NodeKind::leaf);
  WritableNode right = writable_node(right_ref);
  const std::uint32_t capacity = geometry_.leaf_rows;
  const std::uint32_t kept = row == capacity ? capacity : capacity / 2;
  const std::uint32_t moved = capacity - kept;
  const std::uint32_t plane = left.leaf_plane();
  for (std::uint32_t word = 0; word < geometry_.key_words; ++word) {
    std::memcpy(right.keys() + std::size_t{word} * plane, left.keys() + std::size_t{word} * plane + kept,
                moved * sizeof(std::uint64_t));
  }
  if (moved > 0) std::memcpy(right.value(0), left.value(kept), std::size_t{moved} * geometry_.value_stride);
  right.set_count(moved);
  left.set_count(kept);

  // At the border the row goes left, unless the left node is full.
  const bool into_right = row > kept || (row == kept && moved == 0);
  WritableNode& target = into_right ? right : left;
  const std::uint32_t target_row = into_right ? row - kept : row;
  open_row(target, target_row, key);

  std::uint64_t separator[key_words_max];
  get_key(right.keys(), plane, geometry_.key_words, 0, separator);
  insert_child(path, 1, separator, right_ref);
  return {target.value(target_row), true};
}

/// Puts `child` behind path[level].child. `separator`: the smallest key below it.
void TableTree::insert_child(Step* path, std::uint32_t level, const std::uint64_t* separator, Ref child) {
  if (level == root_.height) return grow_root(separator, child);
  WritableNode left = writable_node(path[level].node);
  const std::uint32_t index = path[level].child + 1;
  const std::uint32_t capacity = geometry_.inner_children;
  if (left.count() < capacity) return place_child(left, index, separator, child);

  const Ref right_ref = new_node(NodeKind::inner);
  WritableNode right = writable_node(right_ref);
  const std::uint32_t plane = left.inner_plane();
  std::uint64_t up[key_words_max];
  if (index == capacity) {
    // The new child begins a node of its own; its separator moves up.
    right.children()[0] = child;
    right.set_count(1);
    std::memcpy(up, separator, geometry_.key_words * sizeof(std::uint64_t));
  } else {
    const std::uint32_t kept = capacity / 2;
    const std::uint32_t moved = capacity - kept;
    get_key(left.keys(), plane, geometry_.key_words, kept - 1, up);
    for (std::uint32_t word = 0; word < geometry_.key_words; ++word) {
      std::memcpy(right.keys() + std::size_t{word} * plane, left.keys() + std::size_t{word} * plane + kept,
                  (moved - 1) * sizeof(std::uint64_t));
    }
    std::memcpy(right.children(), left.children() + kept, moved * sizeof(Ref));
    right.set_count(moved);
    left.set_count(kept);
    if (index <= kept) {
      place_child(left, index, separator, child);
    } else {
      place_child(right, index - kept, separator, child);
    }
  }
  insert_child(path, level + 1, up, right_ref);
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

// ---- Erase
// --------------------------------------------------------------------------------------------------------

void TableTree::close_row(WritableNode& leaf, std::uint32_t row) {
  const std::uint32_t moved = leaf.count() - row - 1;
  shift_keys(leaf.keys(), leaf.leaf_plane(), geometry_.key_words, row + 1, row, moved);
  std::memmove(leaf.value(row), leaf.value(row + 1), std::size_t{moved} * geometry_.value_stride);
  leaf.set_count(leaf.count() - 1);
}

bool TableTree::erase(const std::uint64_t* key) {
  if (find(key) == nullptr) return false;  // copies nothing for a row that is not there
  Step path[height_max];
  const Ref leaf_ref = descend(key, path);
  WritableNode leaf = writable_node(leaf_ref);
  close_row(leaf, lower_bound(leaf, key));
  --root_.rows;
  shrink(path, 0, leaf_ref);
  return true;
}

/// Restores the lower bounds on `child`, a node of `level` on the path, and of the nodes above it.
void TableTree::shrink(Step* path, std::uint32_t level, Ref child) {
  for (;; child = path[level].node) {
    const std::uint32_t count = node(child).count();
    if (level + 1 == root_.height) break;
    Step& parent = path[level + 1];
    if (count == 0) {
      WritableNode inner = writable_node(parent.node);
      remove_child(inner, parent.child);
      drop_node(child);
    } else {
      const std::uint32_t capacity = level == 0 ? geometry_.leaf_rows : geometry_.inner_children;
      if (count * 3 > capacity || !merge_with_neighbour(parent, level == 0)) return;
    }
    ++level;
  }
  collapse_root();
}

/// Joins the parent's chosen child with the one beside it if both fit well in a node.
bool TableTree::merge_with_neighbour(Step& parent_step, bool leaves) {
  WritableNode parent = writable_node(parent_step.node);
  const std::uint32_t capacity = leaves ? geometry_.leaf_rows : geometry_.inner_children;
  const auto fits = [&](std::uint32_t left) {
    if (left + 1 >= parent.count()) return false;
    return (node(parent.children()[left]).count() + node(parent.children()[left + 1]).count()) * 4 <=
           capacity * 3;
  };
  std::uint32_t left = parent_step.child;
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
  remove_child(parent, left + 1);
  drop_node(right_ref);
  return true;
}

void TableTree::append_leaf(WritableNode& left, const Node& right) {
  const std::uint32_t count = left.count();
  const std::uint32_t plane = left.leaf_plane();
  for (std::uint32_t word = 0; word < geometry_.key_words; ++word) {
    std::memcpy(left.keys() + std::size_t{word} * plane + count, right.keys() + std::size_t{word} * plane,
                right.count() * sizeof(std::uint64_t));
  }
  std::memcpy(left.value(count), right.value(0), std::size_t{right.count()} * geometry_.value_stride);
  left.set_count(count + right.count());
}

void TableTree::append_inner(WritableNode& left, const std::uint64_t* separator, const Node& right) {
  const std::uint32_t count = left.count();
  const std::uint32_t plane = left.inner_plane();
  set_key(left.keys(), plane, geometry_.key_words, count - 1, separator);
  for (std::uint32_t word = 0; word < geometry_.key_words; ++word) {
    std::memcpy(left.keys() + std::size_t{word} * plane + count, right.keys() + std::size_t{word} * plane,
                (right.count() - 1) * sizeof(std::uint64_t));
  }
  std::memcpy(left.children() + count, right.children(), right.count() * sizeof(Ref));
  left.set_count(count + right.count());
}

void TableTree::remove_child(WritableNode& inner, std::uint32_t index) {
  const std::uint32_t count = inner.count();
  if (count > 1) {
    const std::uint32_t separator = index > 0 ? index - 1 : 0;
    shift_keys(inner.keys(), inner.inner_plane(), geometry_.key_words, separator + 1, separator,
               count - 2 - separator);
    std::memmove(inner.children() + index, inner.children() + index + 1, (count - index - 1) * sizeof(Ref));
  }
  inner.set_count(count - 1);
}

void TableTree::collapse_root() {
  while (root_.height > 0) {
    const Node root = node(root_.root);
    if (root.count() == 0) {
      drop_node(root_.root);
      root_.root = 0;
      root_.height = 0;
      context_.needs_changed = true;
    } else if (!root.is_leaf() && root.count() == 1) {
      const Ref child = root.children()[0];
      drop_node(root_.root);
      root_.root = child;
      --root_.height;
      context_.needs_changed = true;
    } else {
      return;
    }
  }
}

// ---- Room
// ---------------------------------------------------------------------------------------------------------

// An upsert copies each node of its path once and splits each once, and may add a root.
void TableTree::add_upsert_needs(std::vector<Allocator::Need>& needs) const {
  needs.push_back({geometry_.leaf_units, 2});
  needs.push_back({geometry_.inner_units, 2 * root_.height + 1});
}

// An erase copies each node of its path once, and one neighbour of each.
void TableTree::add_erase_needs(std::vector<Allocator::Need>& needs) const {
  needs.push_back({geometry_.leaf_units, 2});
  needs.push_back({geometry_.inner_units, 2 * root_.height});
}

}  // namespace perch::tree
