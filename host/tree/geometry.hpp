// Geometry: where the nodes of one table keep their arrays, from the shape of its rows.
//
//   leaf   header | key plane 0 [leaf_plane] | key plane 1 … | value [leaf_rows] of value_stride bytes
//   inner  header | separator plane 0 [inner_plane] | plane 1 … | child reference [inner_children]
//
// A key of w words is spread over w planes: a search reads the first words of many keys from few cache lines,
// and looks at a further plane only among keys that are equal so far. A plane has room for a multiple of 8
// words, so that a search may read whole vectors.
//
// Large values lie outside: the leaf then holds references, and each value a block of its own (ValueHeader,
// value), so that an update copies the leaf's keys and one value, not all of them.
#pragma once

#include <algorithm>
#include <cstdint>

#include "tree/format.hpp"

namespace perch::tree {

/// What a table's rows look like to the tree.
struct TableShape {
  std::uint32_t key_words = 1;       ///< 1 to key_words_max
  std::uint32_t value_bytes = 8;     ///< 1 to value_bytes_max
  std::uint32_t leaf_rows = 0;       ///< capacity of a leaf, 3 to 64; 0: chosen by size
  std::uint32_t inner_children = 0;  ///< capacity of an inner node, 3 to 64; 0: chosen by size
};

/// A search looks at one bit per key of a node.
inline constexpr std::uint32_t fan_out_max = 64;

constexpr std::uint32_t units_of(std::uint64_t bytes) noexcept {
  return static_cast<std::uint32_t>((bytes + unit_bytes - 1) / unit_bytes);
}

constexpr std::uint32_t plane_of(std::uint32_t keys) noexcept { return (keys + 7) / 8 * 8; }

constexpr std::uint32_t leaf_bytes(std::uint32_t rows, std::uint32_t key_words,
                                   std::uint32_t slot_bytes) noexcept {
  return static_cast<std::uint32_t>(sizeof(NodeHeader)) + plane_of(rows) * key_words * 8 + rows * slot_bytes;
}
constexpr std::uint32_t inner_bytes(std::uint32_t children, std::uint32_t key_words) noexcept {
  return static_cast<std::uint32_t>(sizeof(NodeHeader)) + plane_of(children - 1) * key_words * 8 +
         children * static_cast<std::uint32_t>(sizeof(Ref));
}

/// Measured with values of 32 to 4096 bytes: up to here a scan and a get gain more from values beside their
/// keys than an update gains from copying one value instead of eight.
constexpr std::uint32_t inline_value_bytes_max = 256;

/// As many rows as fit into leaf_bytes_target: an update copies a leaf, and what it moves through memory is
/// what it costs. But no fewer than pay for the nodes above: 15 small rows (two vectors of keys), 8 large
/// ones.
constexpr std::uint32_t default_leaf_rows(std::uint32_t key_words, std::uint32_t slot_bytes) noexcept {
  constexpr std::uint32_t leaf_bytes_target = 640;
  constexpr std::uint32_t small_slot_bytes_max = 40;
  std::uint32_t rows = slot_bytes <= small_slot_bytes_max ? 15 : 8;
  while (rows < fan_out_max && leaf_bytes(rows + 1, key_words, slot_bytes) <= leaf_bytes_target) ++rows;
  return rows;
}

/// One more than a plane of four vectors has separators. Fewer cost a level more, more cost copying.
constexpr std::uint32_t default_inner_children = 33;

constexpr Geometry make_geometry(const TableShape& shape) noexcept {
  Geometry geometry{};
  geometry.key_words = shape.key_words;
  geometry.value_stride = (shape.value_bytes + 7) / 8 * 8;
  if (geometry.value_stride > inline_value_bytes_max) {
    geometry.value_units = units_of(sizeof(ValueHeader) + geometry.value_stride);
  }
  const std::uint32_t slot_bytes = geometry.value_units ? sizeof(Ref) : geometry.value_stride;
  geometry.leaf_rows = shape.leaf_rows ? shape.leaf_rows : default_leaf_rows(shape.key_words, slot_bytes);
  geometry.inner_children = shape.inner_children ? shape.inner_children : default_inner_children;
  geometry.leaf_plane = plane_of(geometry.leaf_rows);
  geometry.inner_plane = plane_of(geometry.inner_children - 1);
  geometry.leaf_units = units_of(leaf_bytes(geometry.leaf_rows, shape.key_words, slot_bytes));
  geometry.inner_units = units_of(inner_bytes(geometry.inner_children, shape.key_words));
  constexpr auto header_bytes = static_cast<std::uint32_t>(sizeof(NodeHeader));
  geometry.leaf_values_offset = header_bytes + geometry.leaf_plane * shape.key_words * 8;
  geometry.inner_refs_offset = header_bytes + geometry.inner_plane * shape.key_words * 8;
  return geometry;
}

}  // namespace perch::tree
