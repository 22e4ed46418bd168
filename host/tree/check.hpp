// The verifier: walks a tree and checks every invariant that its nodes show.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_map>

#include "tree/format.hpp"

namespace perch::tree {

/// Blocks that a walk reached: reference → size in units.
using ReachedBlocks = std::unordered_map<Ref, std::uint32_t>;

/// Checks one table of one version: keys in strict order and between their separators, counts within
/// capacity, leaves all at one depth, no node older than something below it or younger than `newest`, row
/// count. Adds every node to `reached`, and reports one that is there already. Returns "" or what is wrong,
/// and where.
std::string check_tree(const std::byte* base, const Geometry& geometry, const TableRoot& root, Version newest,
                       ReachedBlocks& reached);

}  // namespace perch::tree
