// TableTree: the writer's side of one table: copy-on-write upsert, erase and range erase.
//
// A node is edited in place only while its birth is the version being built. Any other is copied once per
// version, the copy takes its place in the parent (which was copied before it), and the old one is dropped
// with that version as death. So the nodes above one that was born in this version were born in it too.
//
// The way to the last key is kept: a next key of the same leaf, as when a sorted batch is applied, rows are
// appended at the right edge or the oldest are erased one by one, needs no descent.
//
// Splits: half and half, but an insert at the very end of a full node starts a new one beside it, so that
// streams that append, at the right edge or to many series at once, fill their leaves. Merges: a node a third
// full or less joins a neighbour if both fit in three quarters of a node, so that deletes in any order give
// memory back and a row more or less does not split and merge in turns.
#pragma once

#include <cstdint>
#include <vector>

#include "tree/allocator.hpp"
#include "tree/bound.hpp"
#include "tree/format.hpp"
#include "tree/geometry.hpp"
#include "tree/node.hpp"
#include "tree/read_path.hpp"
#include "tree/reclaimer.hpp"

namespace perch::tree {

/// The place of a row's value in the version being built: fill it before the next call.
struct Placed {
  std::byte* value;
  bool inserted;  ///< true: the key is new and the bytes are zero; false: the bytes hold the old value
};

/// What all trees of a store share. For the writer thread alone.
struct BuildContext {
  std::byte* base;
  Allocator& allocator;
  Reclaimer& reclaimer;
  Version building = 1;  ///< the version being built: published + 1
  bool needs_changed =
      true;  ///< a tree's height did, so must the estimates of what an upsert or erase may take
};

/// For the writer thread alone.
class TableTree {
 public:
  TableTree(BuildContext& context, const Geometry& geometry) : context_(context), geometry_(geometry) {}

  Placed upsert(const std::uint64_t* key);
  bool erase(const std::uint64_t* key);
  /// Erases all rows between the bounds, or the first rows, at most `rows`, of those below `high`; returns
  /// how many. Nodes that lose all their rows are dropped whole: the cost follows the number of nodes, not of
  /// rows.
  std::uint64_t erase_range(Bound low, Bound high);
  std::uint64_t erase_first(std::uint64_t rows, Bound high);
  const std::byte* find(const std::uint64_t* key) const;
  /// Starts loading the leaves of `count` keys, one after the other in `keys`, that are to be written next.
  void warm(const std::uint64_t* keys, std::uint32_t count) const;

  TableRoot root() const noexcept { return root_; }
  const Geometry& geometry() const noexcept { return geometry_; }

  /// Blocks that one upsert, or one erase of any kind, may take at most.
  void add_upsert_needs(std::vector<Allocator::Need>& needs) const;
  void add_erase_needs(std::vector<Allocator::Need>& needs) const;

 private:
  WritableNode writable_node(Ref ref) const noexcept { return {context_.base, ref, geometry_}; }
  Node node(Ref ref) const noexcept { return Node(context_.base, ref, geometry_); }
  std::uint32_t units(bool leaf) const noexcept {
    return leaf ? geometry_.leaf_units : geometry_.inner_units;
  }
  std::uint32_t capacity(bool leaf) const noexcept {
    return leaf ? geometry_.leaf_rows : geometry_.inner_children;
  }
  bool is_owned(Ref ref) const noexcept { return node(ref).header().birth == context_.building; }

  Ref new_block(std::uint32_t units);
  Ref new_node(NodeKind kind);
  Ref new_value();
  Version value_birth(Ref block) const noexcept;
  void drop_block(Ref ref, std::uint32_t units, Version birth);
  void drop_node(Ref ref);
  void drop_values(const Node& leaf, std::uint32_t from, std::uint32_t to);
  void drop_subtree(Ref ref, std::uint32_t level);
  Ref copy_node(Ref ref, bool leaf);
  Ref make_writable(Ref ref);

  bool locate(const std::uint64_t* key);
  bool is_in_kept_leaf(const std::uint64_t* key) noexcept;
  void find_leaf_range() noexcept;
  void own_path();

  std::byte* writable_value(WritableNode& leaf, std::uint32_t row);
  std::byte* open_row(WritableNode& leaf, std::uint32_t row, const std::uint64_t* key);
  void close_rows(WritableNode& leaf, std::uint32_t from, std::uint32_t to);
  std::byte* split_leaf_and_insert(const std::uint64_t* key);
  std::byte* append_leaf_with(const std::uint64_t* key);
  void insert_child(std::uint32_t level, const std::uint64_t* separator, Ref child);
  void place_child(WritableNode& inner, std::uint32_t index, const std::uint64_t* separator, Ref child);
  void grow_root(const std::uint64_t* separator, Ref right);

  Ref erase_range_in(Ref ref, std::uint32_t level, Bound low, Bound high);
  Ref erase_first_in(Ref ref, std::uint32_t level, std::uint64_t& rows, Bound high);
  Ref keep_children(Ref ref, std::uint32_t first, Ref first_child, std::uint32_t last, Ref last_child);
  Ref erase_rows(Ref ref, std::uint32_t from, std::uint32_t to);
  std::uint64_t after_range(std::uint64_t rows_before, const std::uint64_t* edge);

  void shrink_path();
  bool merge_with_neighbour(PathStep& parent, bool leaves);
  void append_leaf(WritableNode& left, const Node& right);
  void append_inner(WritableNode& left, const std::uint64_t* separator, const Node& right);
  void remove_children(WritableNode& inner, std::uint32_t from, std::uint32_t to);
  void collapse_root();

  BuildContext& context_;
  const Geometry geometry_;
  TableRoot root_{0, 0, 0};
  PathStep path_[height_max]{};  // the way to the last key written: path_[0] is the leaf's step
  bool path_is_kept_ = false;    // false: the structure has changed since
  struct {
    bool is_known = false;
    bool low_is_open = true;
    bool high_is_open = true;
    std::uint64_t low[key_words_max];
    std::uint64_t high[key_words_max];
  } leaf_range_;                      // the keys that belong into the leaf at path_[0]: low ≤ key < high
  bool is_same_leaf_likely_ = false;  // the last two keys were of one leaf: worth asking before descending
};

}  // namespace perch::tree
