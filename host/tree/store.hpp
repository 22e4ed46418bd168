// Store: the arena, the tables in it, their single writer and their read side.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "tree/arena.hpp"
#include "tree/bound.hpp"
#include "tree/format.hpp"
#include "tree/geometry.hpp"
#include "tree/pins.hpp"
#include "tree/reclaimer.hpp"
#include "tree/table_tree.hpp"

namespace perch::tree {

struct StoreOptions {
  std::uint64_t arena_bytes = std::uint64_t{4} << 30;  ///< reserved address range and upper bound of memory
  CommitMemory commit_memory = commit_with_fallocate;  ///< tests give one that fails
  bool huge_pages = true;                              ///< see huge_pages.hpp
};

struct MemoryStats {
  std::uint64_t reserved_bytes = 0;   ///< the arena's size
  std::uint64_t committed_bytes = 0;  ///< backed by memory
  std::uint64_t huge_bytes = 0;       ///< of those, in huge pages
  std::uint64_t live_bytes = 0;       ///< allocated, reachable from the version being built
  std::uint64_t retained_bytes = 0;   ///< dropped, not yet free: pinned or not yet looked at
  std::uint64_t free_bytes = 0;       ///< freed, waiting for reuse
  int commit_error = 0;               ///< why the system gave no memory when last asked (errno); 0: it did
};

/// Thread safety: every method is for the writer thread alone, but for those marked otherwise, and what
/// `reads()` returns.
///
/// Invariants
///   1. A node is edited only while its birth is the version being built; any other is copied and dropped.
///   2. A node dropped for version d is reused only after a slot scan that began after d was published found
///   no
///      pin in [birth, d).
///   3. Whatever a published version reaches is never written.
class Store {
 public:
  /// Fails when the address range or the first memory cannot be had.
  static Result<std::unique_ptr<Store>> create(const StoreOptions& options);
  ~Store();
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  /// Adds an empty table, visible from the next commit on. At most tables_max.
  TableIndex add_table(const TableShape& shape);

  /// Whether memory for one more upsert into each table is certain (with a reserve kept for erasing). Ask
  /// before a row's upserts; when it says no, commit what is there, make room, and try again: no half-applied
  /// row ever exists.
  bool has_room();
  /// Whether memory for one more erase is certain; ask before each. Says yes long after has_room says no.
  bool has_room_to_erase();

  /// Finds or makes the row. Asserts that there was room.
  Placed upsert(TableIndex table, const std::uint64_t* key);
  /// False when there is no such row. Asserts that there was room to erase.
  bool erase(TableIndex table, const std::uint64_t* key);
  /// Erases all rows between the bounds, or the first rows of the table: at most `rows`, of those below
  /// `high`; returns how many there were. One erase, as far as room is concerned.
  std::uint64_t erase_range(TableIndex table, Bound low, Bound high);
  std::uint64_t erase_first(TableIndex table, std::uint64_t rows, Bound high = {});
  /// Starts loading what is needed to write these `count` keys, one after the other in `keys`: call it for
  /// some 16 rows before they are upserted or erased, and their misses overlap.
  void warm(TableIndex table, const std::uint64_t* keys, std::uint32_t count) const;
  /// The row in the version being built; nullptr when there is none. Valid until the next upsert or erase.
  const std::byte* find(TableIndex table, const std::uint64_t* key) const;
  std::uint64_t rows(TableIndex table) const;

  /// Publishes what was written since the last commit as the next version, wakes sleeping readers, and frees
  /// what no reader sees any more (bounded work). Returns the version. A commit without changes publishes
  /// too.
  Version commit(std::int64_t commit_time_ns, std::span<const SourcePosition> positions);
  Version published_version() const;

  /// Looks at the pins now and frees what it may, without a commit and without a bound on the work.
  void reclaim_all();
  /// The same, but no more work than a commit does. True: call it again, there is more to free. For a writer
  /// that has nothing to commit: a pin that goes meanwhile gives its memory back all the same.
  bool reclaim_some();

  ReadSide& reads();
  /// The arena for a reader process, see Arena. Any thread.
  Result<UniqueFd> open_read_only() const;
  MemoryStats stats() const;                               ///< any thread; of the last commit
  std::vector<RetainedVersion> retained_versions() const;  ///< any thread; of the last commit

  /// Verifies every invariant that can be seen from the writer: see check.hpp. "" or what is wrong.
  std::string check() const;

 private:
  struct Parts;
  explicit Store(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace perch::tree
