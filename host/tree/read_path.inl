// Included by read_path_<instruction set>.cpp inside a namespace of its own, after these are defined there:
//
//   count_before<or_equal>(words, low, high, plane, word)   how many of the ascending words [low, high) are less than
//                                                           `word`, or less or equal. `plane`: a multiple of 8, the
//                                                           same for all nodes of a kind; so many words can be read.
//   count_before_pair<or_equal>(planes, plane, count, key)  the same for keys of two words, from the first key on
//
// Plain loads and static functions only: whatever inline function of a header were compiled here could be linked into
// code that runs on processors without this instruction set.
//
// A get for keys of one or two words has no branch that depends on what was read, but for "found": so the processor runs
// ahead into the next get while this one waits for memory, and independent gets overlap even when they are not batched.
// Functions are templates of the number of words: 1, 2, or `wide`: any, looked at one by one.

constexpr std::uint32_t cache_line_bytes = 64;
constexpr std::uint32_t wide = 0;

/// `bytes` > 0.
static inline void prefetch(const std::byte* start, std::uint32_t bytes) {
  const std::byte* const end = start + bytes;
  do {
    __builtin_prefetch(start);
    start += cache_line_bytes;
  } while (start < end);
}

/// How many leading words the key shares with the separators on both sides of the subtree that is looked at. All keys
/// of the subtree share them too, so a search in it begins behind them: that is what makes long common prefixes cheap.
struct SharedWords {
  std::uint32_t low = 0;
  std::uint32_t high = 0;
  std::uint32_t both() const { return low < high ? low : high; }
};

template <bool or_equal>
static inline std::uint32_t count_keys(const std::uint64_t* planes, std::uint32_t plane, std::uint32_t count,
                                       const std::uint64_t* key, std::uint32_t key_words, SharedWords& shared) {
  std::uint32_t low = 0;
  std::uint32_t high = count;
  for (std::uint32_t word = shared.both(); word < key_words; ++word) {
    const std::uint64_t* const words = planes + std::size_t{word} * plane;
    const std::uint32_t less = count_before<false>(words, low, high, plane, key[word]);
    const std::uint32_t less_or_equal = count_before<true>(words, low, high, plane, key[word]);
    if (less > 0) shared.low = word;
    if (low + less_or_equal < high) shared.high = word;
    high = low + less_or_equal;
    low += less;
    if (low == high) return low;
  }
  if (or_equal && low < high) shared.low = key_words;
  return or_equal ? high : low;
}

static std::uint32_t count_less(const std::uint64_t* planes, std::uint32_t plane, std::uint32_t count,
                                const std::uint64_t* key, std::uint32_t key_words) {
  SharedWords none;
  return count_keys<false>(planes, plane, count, key, key_words, none);
}

static std::uint32_t count_less_or_equal(const std::uint64_t* planes, std::uint32_t plane, std::uint32_t count,
                                         const std::uint64_t* key, std::uint32_t key_words) {
  SharedWords none;
  return count_keys<true>(planes, plane, count, key, key_words, none);
}

static inline const NodeHeader& header_of(const std::byte* node) { return *reinterpret_cast<const NodeHeader*>(node); }
static inline const std::uint64_t* keys_of(const std::byte* node) {
  return reinterpret_cast<const std::uint64_t*>(node + sizeof(NodeHeader));
}
static inline Ref child_ref(const Geometry& geometry, const std::byte* inner, std::uint32_t child) {
  return reinterpret_cast<const Ref*>(inner + geometry.inner_refs_offset)[child];
}
static inline const std::byte* node_at(const std::byte* base, Ref ref) { return base + std::size_t{ref} * unit_bytes; }

/// The child of `inner` that holds `key`.
template <std::uint32_t words>
static inline std::uint32_t child_index(const Geometry& geometry, const std::byte* inner, const std::uint64_t* key,
                                        SharedWords& shared) {
  const std::uint32_t separators = header_of(inner).count - 1u;
  if (words == 1) return count_before<true>(keys_of(inner), 0, separators, geometry.inner_plane, key[0]);
  if (words == 2) return count_before_pair<true>(keys_of(inner), geometry.inner_plane, separators, key);
  return count_keys<true>(keys_of(inner), geometry.inner_plane, separators, key, geometry.key_words, shared);
}

/// The first row of `leaf` whose key is not less than `key`.
template <std::uint32_t words>
static inline std::uint32_t row_index(const Geometry& geometry, const std::byte* leaf, const std::uint64_t* key,
                                      SharedWords& shared) {
  const std::uint32_t rows = header_of(leaf).count;
  if (words == 1) return count_before<false>(keys_of(leaf), 0, rows, geometry.leaf_plane, key[0]);
  if (words == 2) return count_before_pair<false>(keys_of(leaf), geometry.leaf_plane, rows, key);
  return count_keys<false>(keys_of(leaf), geometry.leaf_plane, rows, key, geometry.key_words, shared);
}

/// Whether `row` of `leaf` has that key, given that its first `shared` words are the key's.
template <std::uint32_t words>
static inline bool row_has_key(const Geometry& geometry, const std::byte* leaf, std::uint32_t row,
                               const std::uint64_t* key, std::uint32_t shared) {
  const std::uint64_t* const keys = keys_of(leaf);
  if (row == header_of(leaf).count) return false;
  if (words == 1) return keys[row] == key[0];
  if (words == 2) return ((keys[row] ^ key[0]) | (keys[geometry.leaf_plane + row] ^ key[1])) == 0;
  for (std::uint32_t word = shared; word < geometry.key_words; ++word) {
    if (keys[std::size_t{word} * geometry.leaf_plane + row] != key[word]) return false;
  }
  return true;
}

static inline const std::byte* value_at(const std::byte* base, const Geometry& geometry, const std::byte* leaf,
                                        std::uint32_t row) {
  if (geometry.value_units == 0) return leaf + geometry.leaf_values_offset + std::size_t{row} * geometry.value_stride;
  const Ref block = reinterpret_cast<const Ref*>(leaf + geometry.leaf_values_offset)[row];
  return node_at(base, block) + sizeof(ValueHeader);
}

/// Starts loading what a search in the node will look at behind its first keys.
template <std::uint32_t words>
static inline void prefetch_inner(const Geometry& geometry, const std::byte* inner) {
  // The keys of one word or two are loaded side by side anyway; the references depend on what they say.
  const std::uint32_t begin = words != wide ? geometry.inner_refs_offset : 0;
  prefetch(inner + begin, geometry.inner_units * static_cast<std::uint32_t>(unit_bytes) - begin);
}

/// For one get: values too, so that the row costs one miss instead of two, as long as the processor can keep so many
/// lines in flight.
template <std::uint32_t words>
static inline void prefetch_leaf_whole(const Geometry& geometry, const std::byte* leaf) {
  constexpr std::uint32_t units_max = 20;
  const std::uint32_t begin = words != wide ? geometry.leaf_values_offset : 0;
  if (geometry.leaf_units <= units_max) {
    prefetch(leaf + begin, geometry.leaf_units * static_cast<std::uint32_t>(unit_bytes) - begin);
  } else if (words == wide) {
    prefetch(leaf, geometry.leaf_values_offset);
  }
}

template <std::uint32_t words>
static inline const std::byte* get_in(const std::byte* base, const Geometry& geometry, Ref root, std::uint32_t height,
                                      const std::uint64_t* key) {
  SharedWords shared;
  const std::byte* node = node_at(base, root);
  for (std::uint32_t level = height - 1; level > 0; --level) {
    node = node_at(base, child_ref(geometry, node, child_index<words>(geometry, node, key, shared)));
    if (level == 2) prefetch_inner<words>(geometry, node);  // those above are in cache
  }
  prefetch_leaf_whole<words>(geometry, node);
  const std::uint32_t known = shared.both();
  const std::uint32_t row = row_index<words>(geometry, node, key, shared);
  return row_has_key<words>(geometry, node, row, key, known) ? value_at(base, geometry, node, row) : nullptr;
}

/// A function of its own, so that the short ways have all registers.
__attribute__((noinline)) static const std::byte* get_wide(const std::byte* base, const Geometry& geometry, Ref root,
                                                           std::uint32_t height, const std::uint64_t* key) {
  return get_in<wide>(base, geometry, root, height, key);
}

static const std::byte* get(const std::byte* base, const Geometry& geometry, Ref root, std::uint32_t height,
                            const std::uint64_t* key) {
  if (height == 0) return nullptr;
  if (geometry.key_words == 1) return get_in<1>(base, geometry, root, height, key);
  if (geometry.key_words == 2) return get_in<2>(base, geometry, root, height, key);
  return get_wide(base, geometry, root, height, key);
}

constexpr std::uint32_t group_max = 16;  // as many misses as the core keeps in flight, and a few

/// Leads `group` descents side by side to their leaves: the misses of a level overlap.
template <std::uint32_t words>
static inline void descend_group(const std::byte* base, const Geometry& geometry, Ref root, std::uint32_t height,
                                 const std::uint64_t* keys, std::uint32_t group, const std::byte** nodes,
                                 SharedWords* shared) {
  const std::byte* const root_node = node_at(base, root);
  for (std::uint32_t i = 0; i < group; ++i) {
    nodes[i] = root_node;
    if (words == wide) shared[i] = {};
  }
  for (std::uint32_t level = height - 1; level > 0; --level) {
    for (std::uint32_t i = 0; i < group; ++i) {
      const std::uint64_t* const key = keys + std::size_t{i} * geometry.key_words;
      const std::uint32_t child = child_index<words>(geometry, nodes[i], key, shared[i]);
      nodes[i] = node_at(base, child_ref(geometry, nodes[i], child));
      // Down to the lowest inner level nodes are in cache more often than not: their first line is enough of a hint.
      if (level == 2) {
        prefetch(nodes[i], geometry.inner_units * static_cast<std::uint32_t>(unit_bytes));
      } else {
        prefetch(nodes[i], level == 1 ? geometry.leaf_values_offset : cache_line_bytes);
      }
    }
  }
}

template <std::uint32_t words>
static inline void get_many_in(const std::byte* base, const Geometry& geometry, Ref root, std::uint32_t height,
                               const std::uint64_t* keys, std::uint32_t count, const std::byte** values) {
  const std::byte* nodes[group_max];
  SharedWords shared[group_max];
  for (std::uint32_t begin = 0; begin < count; begin += group_max) {
    const std::uint32_t group = count - begin < group_max ? count - begin : group_max;
    const std::uint64_t* const group_keys = keys + std::size_t{begin} * geometry.key_words;
    descend_group<words>(base, geometry, root, height, group_keys, group, nodes, shared);
    for (std::uint32_t i = 0; i < group; ++i) {
      const std::uint64_t* const key = group_keys + std::size_t{i} * geometry.key_words;
      const std::uint32_t known = shared[i].both();
      const std::uint32_t row = row_index<words>(geometry, nodes[i], key, shared[i]);
      const std::byte* const value =
          row_has_key<words>(geometry, nodes[i], row, key, known) ? value_at(base, geometry, nodes[i], row) : nullptr;
      values[begin + i] = value;
      __builtin_prefetch(value);
      __builtin_prefetch(value + (geometry.value_stride < cache_line_bytes ? geometry.value_stride : cache_line_bytes) - 1);
    }
  }
}

static void get_many(const std::byte* base, const Geometry& geometry, Ref root, std::uint32_t height,
                     const std::uint64_t* keys, std::uint32_t count, const std::byte** values) {
  if (height == 0) {
    for (std::uint32_t i = 0; i < count; ++i) values[i] = nullptr;
  } else if (geometry.key_words == 1) {
    get_many_in<1>(base, geometry, root, height, keys, count, values);
  } else if (geometry.key_words == 2) {
    get_many_in<2>(base, geometry, root, height, keys, count, values);
  } else {
    get_many_in<wide>(base, geometry, root, height, keys, count, values);
  }
}

template <std::uint32_t words>
static inline bool locate_in(const std::byte* base, const Geometry& geometry, Ref root, std::uint32_t height,
                             const std::uint64_t* key, PathStep* path) {
  SharedWords shared;
  Ref ref = root;
  for (std::uint32_t level = height - 1; level > 0; --level) {
    const std::byte* const inner = node_at(base, ref);
    const std::uint32_t child = child_index<words>(geometry, inner, key, shared);
    path[level] = {ref, child};
    ref = child_ref(geometry, inner, child);
    // The whole child: it will be copied. Those further up are in cache.
    if (level <= 2) {
      prefetch(node_at(base, ref),
               (level > 1 ? geometry.inner_units : geometry.leaf_units) * static_cast<std::uint32_t>(unit_bytes));
    }
  }
  const std::byte* const leaf = node_at(base, ref);
  const std::uint32_t known = shared.both();
  const std::uint32_t row = row_index<words>(geometry, leaf, key, shared);
  path[0] = {ref, row};
  return row_has_key<words>(geometry, leaf, row, key, known);
}

static bool locate(const std::byte* base, const Geometry& geometry, Ref root, std::uint32_t height,
                   const std::uint64_t* key, PathStep* path) {
  if (geometry.key_words == 1) return locate_in<1>(base, geometry, root, height, key, path);
  if (geometry.key_words == 2) return locate_in<2>(base, geometry, root, height, key, path);
  return locate_in<wide>(base, geometry, root, height, key, path);
}

static void warm_leaves(const std::byte* base, const Geometry& geometry, Ref root, std::uint32_t height,
                        const std::uint64_t* keys, std::uint32_t count) {
  if (height == 0) return;
  const std::byte* nodes[group_max];
  SharedWords shared[group_max];
  for (std::uint32_t begin = 0; begin < count; begin += group_max) {
    const std::uint32_t group = count - begin < group_max ? count - begin : group_max;
    const std::uint64_t* const group_keys = keys + std::size_t{begin} * geometry.key_words;
    if (geometry.key_words == 1) {
      descend_group<1>(base, geometry, root, height, group_keys, group, nodes, shared);
    } else if (geometry.key_words == 2) {
      descend_group<2>(base, geometry, root, height, group_keys, group, nodes, shared);
    } else {
      descend_group<wide>(base, geometry, root, height, group_keys, group, nodes, shared);
    }
    for (std::uint32_t i = 0; i < group; ++i) {
      prefetch(nodes[i] + geometry.leaf_values_offset,
               geometry.leaf_units * static_cast<std::uint32_t>(unit_bytes) - geometry.leaf_values_offset);
    }
  }
}
