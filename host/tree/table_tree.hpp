// TableTree: the writer's side of one table: copy-on-write upsert and erase.
//
// A node is edited in place only while its birth is the version being built. Any other is copied once per
// version, the copy takes its place in the parent (which was copied before it), and the old one is dropped
// with that version as death.
//
// Splits: half and half, but an insert at the very end of a full node starts a new one beside it, so that
// streams that append, at the right edge or to many series at once, fill their leaves. Merges: a node a third
// full or less joins a neighbour if both fit in three quarters of a node, so that deletes in any order give
// memory back and a row more or less does not split and merge in turns.
#pragma once

#include <cstdint>
#include <vector>

#include "tree/allocator.hpp"
#include "tree/format.hpp"
#include "tree/geometry.hpp"
#include "tree/node.hpp"
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
  const std::byte* find(const std::uint64_t* key) const;

  TableRoot root() const noexcept { return root_; }
  const Geometry& geometry() const noexcept { return geometry_; }

  /// Blocks that one upsert, or one erase, may take at most.
  void add_upsert_needs(std::vector<Allocator::Need>& needs) const;
  void add_erase_needs(std::vector<Allocator::Need>& needs) const;

 private:
  /// A writable inner node on the way down and the child taken; path[1] is the leaf's parent.
  struct Step {
    Ref node;
    std::uint32_t child;
  };

  WritableNode writable_node(Ref ref) const noexcept { return {address(context_.base, ref), geometry_}; }
  Node node(Ref ref) const noexcept { return Node(context_.base, ref, geometry_); }
  std::uint32_t units(bool leaf) const noexcept {
    return leaf ? geometry_.leaf_units : geometry_.inner_units;
  }

  Ref new_node(NodeKind kind);
  void drop_node(Ref ref);
  Ref make_writable(Ref ref);
  void copy_node(Ref from, Ref to);
  void prefetch_node(Ref ref, bool leaf) const noexcept;
  Ref descend(const std::uint64_t* key, Step* path);

  void open_row(WritableNode& leaf, std::uint32_t row, const std::uint64_t* key);
  void close_row(WritableNode& leaf, std::uint32_t row);
  Placed split_leaf_and_insert(Ref leaf, std::uint32_t row, const std::uint64_t* key, Step* path);
  void insert_child(Step* path, std::uint32_t level, const std::uint64_t* separator, Ref child);
  void place_child(WritableNode& inner, std::uint32_t index, const std::uint64_t* separator, Ref child);
  void grow_root(const std::uint64_t* separator, Ref right);

  void shrink(Step* path, std::uint32_t level, Ref child);
  bool merge_with_neighbour(Step& parent, bool leaves);
  void append_leaf(WritableNode& left, const Node& right);
  void append_inner(WritableNode& left, const std::uint64_t* separator, const Node& right);
  void remove_child(WritableNode& inner, std::uint32_t index);
  void collapse_root();

  BuildContext& context_;
  const Geometry geometry_;
  TableRoot root_{0, 0, 0};
};

}  // namespace perch::tree
