// Included by read_path_<instruction set>.cpp inside a namespace of its own, after `count_before<or_equal>(words, count,
// word)` is defined there. Plain loads and static functions only: whatever inline function of a header were compiled
// here could be linked into code that runs on processors without this instruction set.

constexpr std::uint32_t cache_line_bytes = 64;

static inline void prefetch(const std::byte* start, std::uint32_t bytes) {
  for (std::uint32_t at = 0; at < bytes; at += cache_line_bytes) __builtin_prefetch(start + at);
}

template <bool or_equal>
static inline std::uint32_t count_keys(const std::uint64_t* planes, std::uint32_t plane, std::uint32_t count,
                                       const std::uint64_t* key, std::uint32_t key_words) {
  if (key_words == 1) return count_before<or_equal>(planes, count, key[0]);
  std::uint32_t low = 0;
  std::uint32_t high = count;
  for (std::uint32_t word = 0; word < key_words; ++word) {
    const std::uint64_t* words = planes + std::size_t{word} * plane + low;
    const std::uint32_t less = count_before<false>(words, high - low, key[word]);
    const std::uint32_t less_or_equal = less + count_before<true>(words + less, high - low - less, key[word]);
    high = low + less_or_equal;
    low += less;
    if (low == high) return low;
  }
  return or_equal ? high : low;
}

static std::uint32_t count_less(const std::uint64_t* planes, std::uint32_t plane, std::uint32_t count,
                                const std::uint64_t* key, std::uint32_t key_words) {
  return count_keys<false>(planes, plane, count, key, key_words);
}

static std::uint32_t count_less_or_equal(const std::uint64_t* planes, std::uint32_t plane, std::uint32_t count,
                                         const std::uint64_t* key, std::uint32_t key_words) {
  return count_keys<true>(planes, plane, count, key, key_words);
}

static inline const std::byte* child_at(const std::byte* base, const Geometry& geometry, const std::byte* inner,
                                        const std::uint64_t* key) {
  const auto* const header = reinterpret_cast<const NodeHeader*>(inner);
  const auto* const keys = reinterpret_cast<const std::uint64_t*>(inner + sizeof(NodeHeader));
  const auto* const children = reinterpret_cast<const Ref*>(inner + geometry.inner_refs_offset);
  const std::uint32_t child =
      count_keys<true>(keys, geometry.inner_children - 1, header->count - 1u, key, geometry.key_words);
  return base + std::size_t{children[child]} * unit_bytes;
}

static inline const std::byte* row_at(const Geometry& geometry, const std::byte* leaf, const std::uint64_t* key) {
  const auto* const header = reinterpret_cast<const NodeHeader*>(leaf);
  const auto* const keys = reinterpret_cast<const std::uint64_t*>(leaf + sizeof(NodeHeader));
  const std::uint32_t count = header->count;
  const std::uint32_t row = count_keys<false>(keys, geometry.leaf_rows, count, key, geometry.key_words);
  const std::byte* const value = leaf + geometry.leaf_values_offset + std::size_t{row} * geometry.value_stride;
  __builtin_prefetch(value);
  if (row == count) return nullptr;
  for (std::uint32_t word = 0; word < geometry.key_words; ++word) {
    if (keys[std::size_t{word} * geometry.leaf_rows + row] != key[word]) return nullptr;
  }
  return value;
}

static const std::byte* get(const std::byte* base, const Geometry& geometry, Ref root, std::uint32_t height,
                            const std::uint64_t* key) {
  if (height == 0) return nullptr;
  const std::byte* node = base + std::size_t{root} * unit_bytes;
  for (std::uint32_t level = height - 1; level > 0; --level) {
    node = child_at(base, geometry, node, key);
    // The whole child at once: the misses of its lines overlap.
    prefetch(node, level > 1 ? geometry.inner_units * static_cast<std::uint32_t>(unit_bytes) : geometry.leaf_values_offset);
  }
  return row_at(geometry, node, key);
}

static void get_many(const std::byte* base, const Geometry& geometry, Ref root, std::uint32_t height,
                     const std::uint64_t* keys, std::uint32_t count, const std::byte** values) {
  constexpr std::uint32_t group_max = 16;  // as many misses as the core keeps in flight, and a few
  if (height == 0) {
    for (std::uint32_t i = 0; i < count; ++i) values[i] = nullptr;
    return;
  }
  const std::byte* nodes[group_max];
  const std::byte* const root_node = base + std::size_t{root} * unit_bytes;
  for (std::uint32_t begin = 0; begin < count; begin += group_max) {
    const std::uint32_t group = count - begin < group_max ? count - begin : group_max;
    const std::uint64_t* const group_keys = keys + std::size_t{begin} * geometry.key_words;
    for (std::uint32_t i = 0; i < group; ++i) nodes[i] = root_node;
    for (std::uint32_t level = height - 1; level > 0; --level) {
      for (std::uint32_t i = 0; i < group; ++i) {
        nodes[i] = child_at(base, geometry, nodes[i], group_keys + std::size_t{i} * geometry.key_words);
        prefetch(nodes[i],
                 level > 1 ? geometry.inner_units * static_cast<std::uint32_t>(unit_bytes) : geometry.leaf_values_offset);
      }
    }
    for (std::uint32_t i = 0; i < group; ++i) {
      values[begin + i] = row_at(geometry, nodes[i], group_keys + std::size_t{i} * geometry.key_words);
    }
  }
}
