#include "tables/key_order.hpp"

namespace perch::tables {

std::uint64_t KeyOrder::evict_due(const EvictionBudget& budget) {
  is_behind_ = false;
  std::uint64_t evicted = 0;
  const std::uint64_t rows_now = store_.rows(table_);
  if (rows_now > rows_max_) evicted = erase_first(std::min(budget.rows, rows_now - rows_max_), {});
  if (newest_ > age_) {
    const std::uint64_t oldest_kept[tree::key_words_max] = {newest_ - age_};  // of the keys that begin so
    evicted += erase_first(budget.rows - evicted, {oldest_kept, false});
  }
  // Whether just as many rows were due as could go is for the next call to see.
  is_behind_ |= evicted == budget.rows;
  return evicted;
}

std::uint64_t KeyOrder::erase_first(std::uint64_t rows, tree::Bound high) {
  if (rows == 0) return 0;
  if (!store_.has_room_to_erase()) {
    is_behind_ = true;
    return 0;
  }
  return store_.erase_first(table_, rows, high);
}

}  // namespace perch::tables
