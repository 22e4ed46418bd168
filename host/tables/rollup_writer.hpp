// RollupWriter: the rows of one rollup in the tree, folded as its source's rows come.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "tables/catalog.hpp"
#include "tables/key_hash.hpp"
#include "tables/retention_queue.hpp"
#include "tree/store.hpp"

namespace perch::tables {

/// A group that gets several rows between two commits is folded in a buffer and written back once: its row is
/// searched for two or three times, not for every row. For the writer thread alone.
///
/// Invariant: a buffered group's row is in the tree, in nodes that belong to the version being built. So
/// flush needs no memory, and there is no need to ask for room before it.
class RollupWriter {
 public:
  /// The table is a rollup. `queue`: its retention, or null. All outlive this.
  RollupWriter(const Table& table, tree::Store& store, RetentionQueue* queue);

  /// Ask Store::has_room before.
  void fold(const std::byte* source_key, const std::byte* source_value);
  /// Writes back what is buffered: before anything else reads or erases rows of the rollup, and before a
  /// commit.
  void flush();
  /// Rows folded into a bucket before the newest one.
  std::uint64_t late_rows() const noexcept { return late_rows_; }

 private:
  struct Slot {
    std::uint64_t epoch = 0;  // of another one: free
    std::uint32_t group = 0;
  };
  /// One that was touched since the last flush.
  struct Group {
    bool is_buffered;
  };

  Slot& find_slot(const std::uint64_t* key) noexcept;
  void fold_first(Slot& slot, const std::uint64_t* key, const std::byte* source_key,
                  const std::byte* source_value);
  void buffer(std::uint32_t group, const std::uint64_t* key);
  std::uint64_t* key_of(std::uint32_t group) noexcept { return &keys_[std::size_t{group} * key_words_]; }
  std::byte* bytes_of(std::uint32_t group) noexcept { return &buffers_[std::size_t{group} * bytes_]; }

  const Table& table_;
  const Rollup& rollup_;
  tree::Store& store_;
  RetentionQueue* const queue_;
  const std::uint32_t key_words_;
  const std::uint32_t state_offset_;
  const std::uint32_t bytes_;  // of record and state
  const std::uint32_t groups_max_;
  const KeyHash& hash_ = KeyHash::of_process();
  std::vector<Slot> slots_;  // open addressing; a power of two, at least twice groups_max_
  std::uint64_t epoch_ = 1;
  std::vector<Group> groups_;
  std::vector<std::uint64_t> keys_;    // by group
  std::vector<std::byte> buffers_;     // by group
  std::vector<std::byte> key_record_;  // of the row at hand; padding zero
  std::int64_t newest_bucket_ = INT64_MIN;
  std::uint64_t late_rows_ = 0;
};

}  // namespace perch::tables
