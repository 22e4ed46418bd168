// Cursor: an ordered scan of one table, either way, from any bound to any bound. Part of the tree's read
// side.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tree/bound.hpp"
#include "tree/format.hpp"
#include "tree/snapshot.hpp"

namespace perch::tree {

/// Neighbouring rows of one leaf, in scan order; where values have blocks of their own (see geometry.hpp),
/// one row. Valid while the snapshot is.
struct Run {
  const std::byte* values = nullptr;         ///< the first row's value
  std::ptrdiff_t value_stride = 0;           ///< to the next row's; negative in a reverse scan
  std::uint32_t count = 0;                   ///< 0: the scan is over
  const std::uint64_t* first_key = nullptr;  ///< word 0 of the first row's key
  std::ptrdiff_t key_step = 0;               ///< in words, to the next row's; −1 in a reverse scan
  std::size_t word_step = 0;                 ///< in words, from word w of a key to word w + 1

  std::uint64_t key_word(std::uint32_t row, std::uint32_t word) const noexcept {
    return first_key[static_cast<std::ptrdiff_t>(row) * key_step +
                     static_cast<std::ptrdiff_t>(word * word_step)];
  }
  void copy_key(std::uint32_t row, std::uint32_t key_words, std::uint64_t* out) const noexcept {
    for (std::uint32_t word = 0; word < key_words; ++word) out[word] = key_word(row, word);
  }
};

/// Not thread safe; trivially copyable, holds no memory and no pin: its snapshot must stay pinned.
class Cursor {
 public:
  Cursor() = default;
  Cursor(const Snapshot& snapshot, TableIndex table, Bound low = {}, Bound high = {},
         bool reverse = false) noexcept;

  /// The next 1 to max_rows rows, all of one leaf; count 0 at the end, and ever after.
  Run next(std::uint32_t max_rows = UINT32_MAX) noexcept;

 private:
  struct Level {
    Ref node;
    std::uint32_t index;
  };

  void seek(const TableRoot& root, Bound bound, bool after_equal, Level* levels) const noexcept;
  bool step_to_neighbour_leaf() noexcept;
  bool step_to_neighbour_parent() noexcept;
  void load_ahead() noexcept;
  void load_rows(Ref leaf) const noexcept;
  void enter_leaf() noexcept;
  void enter_parent() noexcept;
  Ref leaf_ahead(std::uint32_t distance) const noexcept;

  const std::byte* base_ = nullptr;
  const Geometry* geometry_ = nullptr;
  std::uint32_t height_ = 0;  // 0: over
  bool reverse_ = false;

  // The leaf: rows from row_ up to stop_ are to come; in reverse from row_ − 1 down to stop_.
  std::uint32_t row_ = 0;
  std::uint32_t stop_ = 0;
  // Its parent: levels_[1], whose children these are.
  const Ref* siblings_ = nullptr;
  std::uint32_t sibling_count_ = 0;
  std::uint32_t heads_ahead_ = 0;   // first lines of leaves that are being loaded, beyond the one at hand,
  std::uint32_t leaves_ahead_ = 0;  // and whole leaves

  Level levels_[height_max]{};  // the way to the leaf: levels_[0].node is the leaf
  Ref end_leaf_ = 0;            // where the scan ends,
  std::uint32_t end_row_ = 0;   // and the first row (forward) that is out; the last row that is in (reverse)
};

}  // namespace perch::tree
