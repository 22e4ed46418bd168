#include "tree/snapshot.hpp"

#include "tree/search.hpp"

namespace perch::tree {

const std::byte* Snapshot::get(TableIndex table, const std::uint64_t* key) const noexcept {
  const TableRoot root_of_table = root(table);
  if (root_of_table.root == 0) return nullptr;
  const Geometry& shape = geometry(table);
  Ref ref = root_of_table.root;
  for (std::uint32_t level = root_of_table.height - 1; level > 0; --level) {
    const Node inner(base_, ref, shape);
    ref = inner.children()[child_of(inner, key)];
  }
  const Node leaf(base_, ref, shape);
  const std::uint32_t row = lower_bound(leaf, key);
  return row < leaf.count() && key_equals(leaf, row, key) ? leaf.value(row) : nullptr;
}

}  // namespace perch::tree
