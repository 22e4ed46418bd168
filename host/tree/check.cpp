#include "tree/check.hpp"

#include <array>

#include "tree/search.hpp"

namespace perch::tree {
namespace {

using Key = std::array<std::uint64_t, key_words_max>;

class Walk {
 public:
  Walk(const std::byte* base, const Geometry& geometry, ReachedBlocks& reached)
      : base_(base), geometry_(geometry), reached_(reached) {}

  std::uint64_t rows() const { return rows_; }

  /// Keys below must lie in [low, high); null: no bound.
  std::string visit(Ref ref, std::uint32_t level, Version newest, const Key* low, const Key* high) {
    if (ref == 0) return wrong("an empty reference", ref);
    const Node node(base_, ref, geometry_);
    const bool leaf = level == 0;
    if (!reached_.emplace(ref, leaf ? geometry_.leaf_units : geometry_.inner_units).second) {
      return wrong("a node reached twice", ref);
    }
    if (node.is_leaf() != leaf) return wrong("leaves at different depths, or no node at all", ref);
    if (node.header().birth > newest) return wrong("a node younger than the one above it", ref);
    const std::uint32_t capacity = leaf ? geometry_.leaf_rows : geometry_.inner_children;
    if (node.count() == 0 || node.count() > capacity) return wrong("a count out of range", ref);
    const std::string order = check_order(node, leaf, low, high, ref);
    if (!order.empty()) return order;
    if (leaf) {
      rows_ += node.count();
      return visit_values(node, ref);
    }
    return visit_children(node, level, low, high);
  }

 private:
  std::string check_order(const Node& node, bool leaf, const Key* low, const Key* high, Ref ref) const {
    const std::uint32_t count = leaf ? node.count() : node.count() - 1;
    Key before{};
    for (std::uint32_t i = 0; i < count; ++i) {
      const Key key = key_at(node, leaf, i);
      if (i > 0 && compare(before, key) >= 0) return wrong("keys out of order", ref);
      // A separator may equal its node's lower bound only in a leaf's first key; above, that child would be
      // empty.
      if (low != nullptr && compare(key, *low) < (leaf ? 0 : 1))
        return wrong("a key below its separator", ref);
      if (high != nullptr && compare(key, *high) >= 0)
        return wrong("a key not below the next separator", ref);
      before = key;
    }
    return {};
  }

  std::string visit_values(const Node& leaf, Ref ref) {
    if (geometry_.value_units == 0) return {};
    for (std::uint32_t row = 0; row < leaf.count(); ++row) {
      const Ref block = leaf.value_refs()[row];
      if (block == 0) return wrong("a row without a value", ref);
      if (!reached_.emplace(block, geometry_.value_units).second)
        return wrong("a value reached twice", block);
      if (reinterpret_cast<const ValueHeader*>(address(base_, block))->birth > leaf.header().birth) {
        return wrong("a value younger than its leaf", block);
      }
    }
    return {};
  }

  std::string visit_children(const Node& node, std::uint32_t level, const Key* low, const Key* high) {
    for (std::uint32_t i = 0; i < node.count(); ++i) {
      const Key from = i > 0 ? key_at(node, false, i - 1) : Key{};
      const Key to = i + 1 < node.count() ? key_at(node, false, i) : Key{};
      const std::string below = visit(node.children()[i], level - 1, node.header().birth, i > 0 ? &from : low,
                                      i + 1 < node.count() ? &to : high);
      if (!below.empty()) return below;
    }
    return {};
  }

  Key key_at(const Node& node, bool leaf, std::uint32_t index) const {
    Key key{};
    const std::uint32_t plane = leaf ? node.leaf_plane() : node.inner_plane();
    for (std::uint32_t word = 0; word < geometry_.key_words; ++word) {
      key[word] = node.keys()[std::size_t{word} * plane + index];
    }
    return key;
  }
  int compare(const Key& a, const Key& b) const {
    return compare_keys(a.data(), 1, b.data(), 1, geometry_.key_words);
  }

  static std::string wrong(const char* what, Ref ref) {
    return std::string(what) + " (node " + std::to_string(ref) + ")";
  }

  const std::byte* base_;
  const Geometry& geometry_;
  ReachedBlocks& reached_;
  std::uint64_t rows_ = 0;
};

}  // namespace

std::string check_tree(const std::byte* base, const Geometry& geometry, const TableRoot& root, Version newest,
                       ReachedBlocks& reached) {
  if (root.root == 0)
    return root.rows == 0 && root.height == 0 ? "" : "an empty tree that claims rows or height";
  Walk walk(base, geometry, reached);
  std::string problem = walk.visit(root.root, root.height - 1, newest, nullptr, nullptr);
  if (problem.empty() && walk.rows() != root.rows) {
    problem =
        "the table claims " + std::to_string(root.rows) + " rows and holds " + std::to_string(walk.rows());
  }
  return problem;
}

}  // namespace perch::tree
