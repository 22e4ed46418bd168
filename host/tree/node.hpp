// Access to a node's arrays: the only code that knows where they lie (see geometry.hpp).
#pragma once

#include <cstddef>
#include <cstdint>

#include "tree/format.hpp"

namespace perch::tree {

inline const std::byte* address(const std::byte* base, Ref ref) noexcept {
  return base + std::size_t{ref} * unit_bytes;
}
inline std::byte* address(std::byte* base, Ref ref) noexcept { return base + std::size_t{ref} * unit_bytes; }

/// Reads a node; WritableNode edits one of the version being built.
class Node {
 public:
  Node(const std::byte* base, Ref ref, const Geometry& geometry) noexcept
      : base_(base), start_(address(base, ref)), geometry_(&geometry) {}

  const NodeHeader& header() const noexcept { return *reinterpret_cast<const NodeHeader*>(start_); }
  std::uint32_t count() const noexcept { return header().count; }
  bool is_leaf() const noexcept { return header().kind == NodeKind::leaf; }

  /// Keys of a leaf, separators of an inner node: word w of key i is keys()[w * plane() + i].
  const std::uint64_t* keys() const noexcept {
    return reinterpret_cast<const std::uint64_t*>(start_ + sizeof(NodeHeader));
  }
  std::uint32_t leaf_plane() const noexcept { return geometry_->leaf_plane; }
  std::uint32_t inner_plane() const noexcept { return geometry_->inner_plane; }

  const std::byte* value(std::uint32_t row) const noexcept {
    if (geometry_->value_units == 0) {
      return start_ + geometry_->leaf_values_offset + std::size_t{row} * geometry_->value_stride;
    }
    return address(base_, value_refs()[row]) + sizeof(ValueHeader);
  }
  /// What the leaf itself holds of a row beside its key: the value, or the reference of its block.
  const std::byte* slot(std::uint32_t row) const noexcept {
    return start_ + geometry_->leaf_values_offset + std::size_t{row} * slot_bytes();
  }
  std::uint32_t slot_bytes() const noexcept {
    return geometry_->value_units == 0 ? geometry_->value_stride : static_cast<std::uint32_t>(sizeof(Ref));
  }
  /// Only where values have blocks of their own.
  const Ref* value_refs() const noexcept {
    return reinterpret_cast<const Ref*>(start_ + geometry_->leaf_values_offset);
  }
  const Ref* children() const noexcept {
    return reinterpret_cast<const Ref*>(start_ + geometry_->inner_refs_offset);
  }

  const Geometry& geometry() const noexcept { return *geometry_; }

 protected:
  const std::byte* base_;
  const std::byte* start_;
  const Geometry* geometry_;
};

class WritableNode : public Node {
 public:
  WritableNode(std::byte* base, Ref ref, const Geometry& geometry) noexcept : Node(base, ref, geometry) {}

  NodeHeader& header() noexcept { return *reinterpret_cast<NodeHeader*>(start()); }
  const NodeHeader& header() const noexcept { return Node::header(); }
  void set_count(std::uint32_t count) noexcept { header().count = static_cast<std::uint16_t>(count); }
  std::uint64_t* keys() noexcept { return reinterpret_cast<std::uint64_t*>(start() + sizeof(NodeHeader)); }
  const std::uint64_t* keys() const noexcept { return Node::keys(); }
  std::byte* slot(std::uint32_t row) noexcept {
    return start() + geometry_->leaf_values_offset + std::size_t{row} * slot_bytes();
  }
  const std::byte* slot(std::uint32_t row) const noexcept { return Node::slot(row); }
  Ref* value_refs() noexcept { return reinterpret_cast<Ref*>(start() + geometry_->leaf_values_offset); }
  Ref* children() noexcept { return reinterpret_cast<Ref*>(start() + geometry_->inner_refs_offset); }
  const Ref* children() const noexcept { return Node::children(); }

 private:
  // The constructor takes writable memory, so the cast only gives back what was there.
  std::byte* start() noexcept { return const_cast<std::byte*>(start_); }
};

}  // namespace perch::tree
