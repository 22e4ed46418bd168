// The verifier finds what it is there for: in a copy of a sound tree, one thing at a time is broken.
#include "tree/check.hpp"

#include <algorithm>
#include <functional>

#include "support.hpp"
#include "tree/node.hpp"

namespace perch::tree {
namespace check_test {

using namespace test;

/// A copy of all that one table's newest version consists of, to be damaged.
class TreeCopy {
 public:
  explicit TreeCopy(const TableShape& shape) {
    const auto store = make_store(std::uint64_t{64} << 20, false);
    const TableIndex table = store->add_table(shape);
    for (std::uint64_t row = 0; row < 400; ++row) {
      REQUIRE(store->has_room());
      const Key key = key_of(mix(row));
      fill_value(store->upsert(table, key.data()).value, shape.value_bytes, row);
      if (row % 100 == 99) store->commit(0, {});
    }
    const SharedSnapshot snapshot = store->reads().acquire();
    const Snapshot& view = snapshot->snapshot();
    newest = view.version();
    root = view.root(table);
    geometry = view.geometry(table);
    const std::string problem = check_tree(view.base(), geometry, root, newest, blocks);
    REQUIRE_MESSAGE(problem.empty(), problem);
    std::size_t end = 0;
    for (const auto& [ref, units] : blocks) end = std::max(end, (std::size_t{ref} + units) * unit_bytes);
    memory.resize(end);  // what lies between the blocks is free, and poisoned in sanitizer builds
    for (const auto& [ref, units] : blocks)
      std::memcpy(address(memory.data(), ref), address(view.base(), ref), std::size_t{units} * unit_bytes);
  }

  std::string check() const {
    ReachedBlocks reached;
    return check_tree(memory.data(), geometry, root, newest, reached);
  }
  WritableNode node(Ref ref) { return {memory.data(), ref, geometry}; }
  bool is_node(Ref ref) const { return geometry.value_units == 0 || blocks.at(ref) != geometry.value_units; }

  std::vector<std::byte> memory;
  Version newest = 0;
  TableRoot root{};
  Geometry geometry{};
  ReachedBlocks blocks;
};

/// Damages every node in turn, where `damage` finds something to damage in it, and expects that it is told.
void expect_found(TreeCopy& tree, const char* what, const std::function<bool(WritableNode&)>& damage) {
  int damaged = 0;
  for (const auto& [ref, units] : tree.blocks) {
    if (!tree.is_node(ref)) continue;
    const std::byte* const at = address(tree.memory.data(), ref);
    const std::vector<std::byte> before(at, at + std::size_t{units} * unit_bytes);
    WritableNode node = tree.node(ref);
    if (!damage(node)) continue;
    ++damaged;
    CAPTURE(what);
    CAPTURE(ref);
    CHECK(tree.check() != "");
    std::copy(before.begin(), before.end(), tree.memory.begin() + (at - tree.memory.data()));
  }
  CAPTURE(what);
  CHECK(damaged > 0);
  CHECK(tree.check() == "");
}

TEST_CASE("check: finds every kind of damage, in whichever node it is") {
  for (const TableShape shape : {TableShape{1, 32, 5, 4}, TableShape{2, 600, 4, 3}}) {
    TreeCopy tree(shape);
    REQUIRE(tree.root.height > 2);
    expect_found(tree, "younger than its version", [&](WritableNode& node) {
      node.header().birth = tree.newest + 1;
      return true;
    });
    expect_found(tree, "no rows", [](WritableNode& node) {
      node.set_count(0);
      return true;
    });
    expect_found(tree, "too many rows", [&](WritableNode& node) {
      node.set_count(1 + (node.is_leaf() ? tree.geometry.leaf_rows : tree.geometry.inner_children));
      return true;
    });
    expect_found(tree, "another kind", [](WritableNode& node) {
      node.header().kind = node.is_leaf() ? NodeKind::inner : NodeKind::leaf;
      return true;
    });
    expect_found(tree, "two keys in the wrong order", [](WritableNode& node) {
      if (node.count() < (node.is_leaf() ? 2 : 3)) return false;
      std::swap(node.keys()[0], node.keys()[1]);
      return true;
    });
    expect_found(tree, "a key far away", [](WritableNode& node) {
      if (!node.is_leaf()) return false;
      node.keys()[0] = ~std::uint64_t{0};
      return true;
    });
    expect_found(tree, "a row lost", [](WritableNode& node) {
      if (!node.is_leaf() || node.count() < 2) return false;
      node.set_count(node.count() - 1);
      return true;
    });
    expect_found(tree, "one child twice", [](WritableNode& node) {
      if (node.is_leaf() || node.count() < 2) return false;
      node.children()[1] = node.children()[0];
      return true;
    });
    expect_found(tree, "a child missing", [](WritableNode& node) {
      if (node.is_leaf()) return false;
      node.children()[0] = 0;
      return true;
    });
    if (tree.geometry.value_units == 0) continue;
    expect_found(tree, "one value twice", [](WritableNode& node) {
      if (!node.is_leaf() || node.count() < 2) return false;
      node.value_refs()[1] = node.value_refs()[0];
      return true;
    });
    expect_found(tree, "a value missing", [](WritableNode& node) {
      if (!node.is_leaf()) return false;
      node.value_refs()[0] = 0;
      return true;
    });
  }
}

TEST_CASE("check: finds a wrong row count and height") {
  TreeCopy tree({1, 32, 5, 4});
  tree.root.rows += 1;
  CHECK(tree.check() != "");
  tree.root.rows -= 1;
  tree.root.height -= 1;
  CHECK(tree.check() != "");
  tree.root = {1, 0, 0};
  CHECK(tree.check() != "");
  tree.root = {0, 0, 0};
  CHECK(tree.check() == "");
}

}  // namespace check_test
}  // namespace perch::tree
