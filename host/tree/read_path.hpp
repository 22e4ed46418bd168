// The way down the tree, once per instruction set: search within nodes, get, get_many, and the writer's own
// descents. The best one that the processor has is chosen once, at the first use. Users get one binary that
// runs anywhere.
//
// read_path.inl is compiled several times, each time in a namespace of its own and for another instruction
// set (read_path_avx512.cpp, read_path_avx2.cpp, read_path_scalar.cpp).
#pragma once

#include <cstddef>
#include <cstdint>

#include "tree/format.hpp"

namespace perch::tree {

/// A node on the way to a key: the child taken, or the row in the leaf.
struct PathStep {
  Ref node;
  std::uint32_t index;
};

struct ReadPath {
  const char* name;  ///< "avx512", "avx2", "scalar"
  /// How many of `count` keys in planes are less than `key`, or less or equal.
  std::uint32_t (*count_less)(const std::uint64_t* planes, std::uint32_t plane, std::uint32_t count,
                              const std::uint64_t* key, std::uint32_t key_words);
  std::uint32_t (*count_less_or_equal)(const std::uint64_t* planes, std::uint32_t plane, std::uint32_t count,
                                       const std::uint64_t* key, std::uint32_t key_words);
  /// The value of a key, in place; nullptr when there is none.
  const std::byte* (*get)(const std::byte* base, const Geometry& geometry, Ref root, std::uint32_t height,
                          const std::uint64_t* key);
  /// The values of `count` keys (key_words words each, one after the other), with the descents interleaved.
  void (*get_many)(const std::byte* base, const Geometry& geometry, Ref root, std::uint32_t height,
                   const std::uint64_t* keys, std::uint32_t count, const std::byte** values);
  /// The way to a key in a tree of height ≥ 1: path[height − 1] is the root's step, path[0] the leaf's, with
  /// the first row that is not less. True when that row has the key. Loads the nodes whole: the writer will
  /// copy them.
  bool (*locate)(const std::byte* base, const Geometry& geometry, Ref root, std::uint32_t height,
                 const std::uint64_t* key, PathStep* path);
  /// Copies whole units; the blocks do not overlap.
  void (*copy_units)(const std::byte* from, std::byte* to, std::uint32_t units);
  /// Starts loading the leaves that these keys are in, or would be, with the descents interleaved.
  void (*warm_leaves)(const std::byte* base, const Geometry& geometry, Ref root, std::uint32_t height,
                      const std::uint64_t* keys, std::uint32_t count);
};

extern const ReadPath read_path_avx512;
extern const ReadPath read_path_avx2;
extern const ReadPath read_path_scalar;

/// The best one for this processor, or the one that PERCH_SIMD (avx512, avx2, scalar) names in the
/// environment.
const ReadPath& choose_read_path() noexcept;

/// That one, chosen at the first use.
inline const ReadPath& read_path() noexcept {
  static const ReadPath& chosen = choose_read_path();
  return chosen;
}

}  // namespace perch::tree
