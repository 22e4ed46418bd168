#include "tables/entry_order.hpp"

#include <algorithm>
#include <array>
#include <functional>
#include <type_traits>
#include <utility>

#include "base/assert.hpp"
#include "tables/field_types.hpp"
#include "tables/group_queues.hpp"
#include "tables/insertion_ring.hpp"
#include "tables/ordered_bits.hpp"
#include "tables/rank_heap.hpp"

namespace perch::tables {
namespace {

template <std::uint32_t words>
void sort_descending(std::vector<std::uint64_t>& keys) {
  using Key = std::array<std::uint64_t, words>;
  auto* const begin = reinterpret_cast<Key*>(keys.data());
  std::sort(begin, begin + keys.size() / words, std::greater<Key>());
}

/// Keys of so many words lie one after the other.
void sort_keys_descending(std::vector<std::uint64_t>& keys, std::uint32_t words) {
  static_assert(tree::key_words_max == 8);
  constexpr std::array<void (*)(std::vector<std::uint64_t>&), 8> by_words{
      sort_descending<1>, sort_descending<2>, sort_descending<3>, sort_descending<4>,
      sort_descending<5>, sort_descending<6>, sort_descending<7>, sort_descending<8>};
  by_words[words - 1](keys);
}

}  // namespace

RowRank::RowRank(const Table& table) : codec_(table.codec()) {
  const auto& by = table.retain()->by;
  if (!by) return;
  by_key_ = table.key().find(*by);
  if (by_key_) {
    key_index_ = static_cast<std::uint32_t>(by_key_ - table.key().fields().data());
  } else {
    by_value_ = table.value().find(*by);
    PERCH_ASSERT(by_value_, "Table::make checked the name");
  }
}

std::uint64_t RowRank::operator()(const std::uint64_t* key, const std::byte* value) const noexcept {
  if (by_key_) return codec_.ordered_bits(key, key_index_);
  if (!by_value_) return 0;
  const std::byte* const bytes = value + by_value_->offset;
  return with_number_type(by_value_->type, [&]<class Number>(std::type_identity<Number>) -> std::uint64_t {
    if constexpr (std::is_floating_point_v<Number>) {
      const auto bits = load<std::conditional_t<sizeof(Number) == 4, std::uint32_t, std::uint64_t>>(bytes);
      return is_nan_bits(bits) ? 0 : ordered_float(bits);  // NaN is no age: such rows go first
    } else {
      using Unsigned = std::make_unsigned_t<Number>;
      return load<Unsigned>(bytes) ^ (std::is_signed_v<Number> ? sign_bit<Unsigned> : Unsigned{0});
    }
  });
}

template <RowQueue Queue>
EntryOrder<Queue>::EntryOrder(const Table& table, tree::Store& store, Queue queue)
    : table_(table),
      store_(store),
      sequence_offset_(table.stored_value_bytes() - 8),
      rows_max_(table.retain()->rows_max()),
      age_ns_(table.retain()->age_ns()),
      rank_(table),
      queue_(std::move(queue)) {}

template <RowQueue Queue>
void EntryOrder<Queue>::written(const std::uint64_t* key, const tree::Placed& row) {
  const std::uint64_t rank = rank_(key, row.value);
  newest_rank_ = std::max(newest_rank_, rank);
  if (!row.inserted) return;
  store(++last_sequence_, row.value + sequence_offset_);
  queue_.push({rank, last_sequence_, key, row.value});
}

/// At most budget.rows entries are looked at for rows to erase, stale ones too. Rows go in the order of their
/// keys, a piece at a time: those that lie together cost one search.
template <RowQueue Queue>
std::uint64_t EntryOrder<Queue>::evict_due(const EvictionBudget& budget) {
  std::uint64_t evicted = erase_gathered();  // what the last call had no room for
  std::uint64_t rows = store_.rows(table_.index());
  for (std::uint64_t most = budget.rows; most > 0 && doomed_.empty() && has_due(rows);) {
    most -= gather_due(most, rows);
    evicted += erase_gathered();
    rows = store_.rows(table_.index());
  }
  is_behind_ = !doomed_.empty() || has_due(rows);
  const auto live = [this](std::uint64_t sequence, const std::uint64_t* key) {
    return is_live(sequence, key);
  };
  if (queue_.size() > 2 * rows + 1024) queue_.sweep(budget.swept_entries, live);
  return evicted;
}

template <RowQueue Queue>
bool EntryOrder<Queue>::has_due(std::uint64_t rows) const noexcept {
  return queue_.has_due({rows > rows_max_, newest_rank_ > age_ns_ ? newest_rank_ - age_ns_ : 0});
}

template <RowQueue Queue>
bool EntryOrder<Queue>::is_live(std::uint64_t sequence, const std::uint64_t* key) const {
  const std::byte* value = store_.find(table_.index(), key);
  return value && load<std::uint64_t>(value + sequence_offset_) == sequence;
}

/// Moves keys of due rows from the queue to doomed_; returns how many entries it looked at.
template <RowQueue Queue>
std::uint64_t EntryOrder<Queue>::gather_due(std::uint64_t most, std::uint64_t rows) {
  constexpr std::uint64_t piece = 1024;
  const std::uint32_t key_words = table_.codec().words();
  std::uint64_t looked_at = 0;
  for (; looked_at < std::min(most, piece) && has_due(rows); ++looked_at) {
    // Every row has exactly one live entry: as many entries as rows means that none is stale.
    const std::uint64_t* const key = queue_.front_key();
    if (queue_.size() == rows || is_live(queue_.front_sequence(), key)) {
      doomed_.insert(doomed_.end(), key, key + key_words);
      --rows;
    }
    queue_.pop();
  }
  return looked_at;
}

template <RowQueue Queue>
std::uint64_t EntryOrder<Queue>::erase_gathered() {
  const std::uint32_t key_words = table_.codec().words();
  sort_keys_descending(doomed_, key_words);
  std::uint64_t erased = 0;
  while (!doomed_.empty() && store_.has_room_to_erase()) {
    // One that is not there any more went another way, while there was no room.
    erased += store_.erase(table_.index(), &doomed_[doomed_.size() - key_words]) ? 1 : 0;
    doomed_.resize(doomed_.size() - key_words);
  }
  return erased;
}

template class EntryOrder<InsertionRing>;
template class EntryOrder<RankHeap>;
template class EntryOrder<GroupQueues>;

}  // namespace perch::tables
