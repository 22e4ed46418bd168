// Geometry: where the nodes of one table keep their arrays, from the shape of its rows.
//
//   leaf   header | key plane 0 [leaf_rows] | key plane 1 … | value [leaf_rows] of value_stride bytes
//   inner  header | separator plane 0 [inner_children − 1] | plane 1 … | child reference [inner_children]
//
// A key of w words is spread over w planes: a search reads the first words of many keys from few cache lines,
// and looks at a further plane only among keys that are equal so far.
#pragma once

#include <algorithm>
#include <cstdint>

#include "tree/format.hpp"

namespace perch::tree {

/// What a table's rows look like to the tree.
struct TableShape {
  std::uint32_t key_words = 1;       ///< 1 to key_words_max
  std::uint32_t value_bytes = 8;     ///< 1 to value_bytes_max
  std::uint32_t leaf_rows = 0;       ///< capacity of a leaf, 3 or more; 0: chosen by size
  std::uint32_t inner_children = 0;  ///< capacity of an inner node, 3 or more; 0: 64
};

constexpr std::uint32_t units_of(std::uint64_t bytes) noexcept {
  return static_cast<std::uint32_t>((bytes + unit_bytes - 1) / unit_bytes);
}

/// 32 rows measured best for small rows; larger ones get fewer, so that a copied leaf stays near 8 KiB, but
/// never under 4: a tree of tiny leaves costs more in inner nodes than it saves in copying.
constexpr std::uint32_t default_leaf_rows(std::uint32_t key_words, std::uint32_t value_stride) noexcept {
  return std::clamp<std::uint32_t>(8192 / (key_words * 8 + value_stride), 4, 32);
}

constexpr Geometry make_geometry(const TableShape& shape) noexcept {
  Geometry geometry{};
  geometry.key_words = shape.key_words;
  geometry.value_stride = (shape.value_bytes + 7) / 8 * 8;
  geometry.leaf_rows =
      shape.leaf_rows ? shape.leaf_rows : default_leaf_rows(shape.key_words, geometry.value_stride);
  geometry.inner_children = shape.inner_children ? shape.inner_children : 64;
  geometry.leaf_values_offset =
      static_cast<std::uint32_t>(sizeof(NodeHeader)) + geometry.leaf_rows * geometry.key_words * 8;
  geometry.leaf_units =
      units_of(geometry.leaf_values_offset + std::uint64_t{geometry.leaf_rows} * geometry.value_stride);
  geometry.inner_refs_offset =
      static_cast<std::uint32_t>(sizeof(NodeHeader)) + (geometry.inner_children - 1) * geometry.key_words * 8;
  geometry.inner_units =
      units_of(geometry.inner_refs_offset + std::uint64_t{geometry.inner_children} * sizeof(Ref));
  return geometry;
}

}  // namespace perch::tree
