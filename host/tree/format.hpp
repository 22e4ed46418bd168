// What lies in the arena: references, node headers, version records, the control page.
//
// Everything here is position-independent and shared between processes: fixed widths, no pointers. Nodes and
// version records are immutable once the version they were born in is published.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace perch::tree {

using Version = std::uint64_t;
using TableIndex = std::uint32_t;

/// A count of 64-byte units from the arena's start; 0 is "none". Reaches 256 GiB.
using Ref = std::uint32_t;
inline constexpr std::size_t unit_bytes = 64;

inline constexpr std::uint32_t tables_max = 256;
inline constexpr std::uint32_t sources_max = 256;
inline constexpr std::uint32_t key_words_max = 8;
inline constexpr std::uint32_t value_bytes_max =
    4096 + 64;  // a table may keep hidden bytes behind its record
/// Levels of a tree, the leaf's included. With the smallest fan-out that is built (3, in tests) a tree of
/// this height holds more rows than the arena has units.
inline constexpr std::uint32_t height_max = 32;

enum class NodeKind : std::uint16_t { leaf = 1, inner = 2 };

struct NodeHeader {
  Version birth;        ///< the version that the node was made for
  std::uint16_t count;  ///< rows of a leaf, children of an inner node
  NodeKind kind;
  std::uint32_t reserved;
};
static_assert(sizeof(NodeHeader) == 16);

/// How far a source had been read when a version was committed.
struct SourcePosition {
  std::uint64_t bytes = 0;     ///< bytes of input consumed, up to and with the last committed row
  std::uint64_t rows = 0;      ///< rows accepted
  std::uint64_t restarts = 0;  ///< which run of the source `bytes` counts in
};

/// Begins the block of a value that lies outside its leaf (see geometry.hpp); the value follows.
struct ValueHeader {
  Version birth;
};

/// Where each kind of node keeps its arrays; computed once from a table's shape (see geometry.hpp).
struct Geometry {
  std::uint32_t key_words;
  std::uint32_t value_stride;    ///< the value's size rounded up to 8
  std::uint32_t value_units;     ///< size of a value's own block; 0: values lie in the leaves
  std::uint32_t leaf_rows;       ///< capacity
  std::uint32_t inner_children;  ///< capacity
  std::uint32_t leaf_plane;      ///< words from word w of a leaf's keys to word w + 1: a multiple of 8
  std::uint32_t inner_plane;
  std::uint32_t leaf_units;  ///< size of a leaf in 64-byte units
  std::uint32_t inner_units;
  std::uint32_t
      leaf_values_offset;           ///< bytes from a leaf's start to its values, or to its references of them
  std::uint32_t inner_refs_offset;  ///< bytes from an inner node's start to its child references
};

struct TableRoot {
  std::uint64_t rows;
  Ref root;              ///< 0: empty
  std::uint32_t height;  ///< 0: empty, 1: the root is a leaf
};

/// One version of all tables. Lives [version, version + 1).
struct VersionRecord {
  Version version;
  std::int64_t commit_time_ns;
  std::uint32_t table_count;
  std::uint32_t source_count;
  // followed by TableRoot[table_count], SourcePosition[source_count]
  const TableRoot* tables() const noexcept { return reinterpret_cast<const TableRoot*>(this + 1); }
  const SourcePosition* positions() const noexcept {
    return reinterpret_cast<const SourcePosition*>(tables() + table_count);
  }
};

/// The published word: the version's low 32 bits above the reference of its record. The full version stands
/// in the record; the low bits make two publications of a recycled record different.
constexpr std::uint64_t pack_word(Version version, Ref record) noexcept { return (version << 32) | record; }
constexpr Ref word_ref(std::uint64_t word) noexcept { return static_cast<Ref>(word); }
constexpr std::uint32_t word_version_low(std::uint64_t word) noexcept {
  return static_cast<std::uint32_t>(word >> 32);
}

/// The first page of the arena. Each group of fields that is written at another time has its own cache line.
struct ControlPage {
  std::uint64_t magic;
  std::uint32_t format;  ///< layout of everything in this file; another number is another arena
  std::uint32_t reserved;
  alignas(64) std::atomic<std::uint64_t> published;  ///< pack_word of the newest version: what a reader pins
  std::atomic<std::uint64_t> published_version;      ///< its number, for those who only want to know it
  std::atomic<std::uint32_t> signal;  ///< futex word: counts commits and nudges (see ReadSide::signal)
  alignas(64) std::atomic<std::uint32_t> sleepers;  ///< threads in, or about to enter, a futex wait
  alignas(
      64) Geometry geometry[tables_max];  ///< entry i is written before a version with table i is published
};
inline constexpr std::uint64_t arena_magic = 0x6372'6150'2d48'4352;
inline constexpr std::uint32_t arena_format = 2;

static_assert(std::atomic<std::uint64_t>::is_always_lock_free,
              "the published word is shared between processes");

}  // namespace perch::tree
