#include "tables/retention_queue.hpp"

#include <algorithm>
#include <array>
#include <functional>
#include <type_traits>

#include "base/assert.hpp"
#include "tables/field_types.hpp"
#include "tables/ordered_bits.hpp"

namespace perch::tables {
namespace {

/// A number field's value as an unsigned integer of the same order.
std::uint64_t rank_of_number(FieldType type, const std::byte* bytes) noexcept {
  return with_number_type(type, [&]<class Number>(std::type_identity<Number>) -> std::uint64_t {
    if constexpr (std::is_floating_point_v<Number>) {
      const auto bits = load<std::conditional_t<sizeof(Number) == 4, std::uint32_t, std::uint64_t>>(bytes);
      return is_nan_bits(bits) ? 0 : ordered_float(bits);  // NaN is no age: such rows go first
    } else {
      using Unsigned = std::make_unsigned_t<Number>;
      return load<Unsigned>(bytes) ^ (std::is_signed_v<Number> ? sign_bit<Unsigned> : Unsigned{0});
    }
  });
}

std::uint64_t rows_max_of(const Table& table) { return table.retain()->rows.value_or(UINT64_MAX); }

std::uint64_t age_ns_of(const Table& table) {
  const auto& age = table.retain()->age;
  return age ? static_cast<std::uint64_t>(age->count()) : UINT64_MAX;
}

std::variant<InsertionRing, RankHeap, KeyOrder, GroupQueues> make_queue(const Table& table,
                                                                        tree::Store& store) {
  // With an age, the key's first field is a timestamp_ns: its first word, in nanoseconds.
  if (table.retains_in_key_order()) {
    return KeyOrder(store, table.index(), rows_max_of(table), age_ns_of(table));
  }
  if (!table.retain()->per.empty()) return GroupQueues(table, rows_max_of(table));
  if (table.retain()->by) return RankHeap(table.codec().words());
  return InsertionRing(table.codec().words());
}

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

RetentionQueue::RetentionQueue(const Table& table, tree::Store& store)
    : table_(table),
      store_(store),
      sequence_offset_(table.stored_value_bytes() - 8),
      rows_max_(rows_max_of(table)),
      age_ns_(age_ns_of(table)),
      queue_(make_queue(table, store)) {
  const auto& by = table.retain()->by;
  if (!by) return;
  const Field* by_key = table.key().find(*by);
  if (by_key) {
    by_key_index_ = static_cast<std::uint32_t>(by_key - table.key().fields().data());
  } else {
    by_value_ = table.value().find(*by);
    PERCH_ASSERT(by_value_, "Table::make checked the name");
  }
}

void RetentionQueue::written(const std::uint64_t* key, const tree::Placed& row) {
  if (KeyOrder* order = std::get_if<KeyOrder>(&queue_)) {
    order->written(key);
    inserted_since_eviction_ += row.inserted ? 1 : 0;
    return;
  }
  RankHeap* heap = std::get_if<RankHeap>(&queue_);
  const std::uint64_t rank = table_.retain()->by ? rank_of(key, row.value) : 0;
  newest_rank_ = std::max(newest_rank_, rank);
  if (!row.inserted) return;
  store(++last_sequence_, row.value + sequence_offset_);
  ++inserted_since_eviction_;
  if (heap) {
    heap->push(rank, last_sequence_, key);
  } else if (GroupQueues* groups = std::get_if<GroupQueues>(&queue_)) {
    groups->push(rank, last_sequence_, key, row.value);
  } else {
    std::get<InsertionRing>(queue_).push(last_sequence_, key);
  }
}

std::uint64_t RetentionQueue::evict_due() {
  const std::uint64_t most = std::max(rows_per_call, 4 * inserted_since_eviction_);
  const std::uint64_t evicted =
      std::visit([this, most](auto& queue) { return evict_due_from(queue, most); }, queue_);
  inserted_since_eviction_ = 0;
  return evicted;
}

std::uint64_t RetentionQueue::evict_due_from(KeyOrder& order, std::uint64_t most) {
  const std::uint64_t evicted = order.evict_due(most);
  is_behind_ = order.is_behind();
  return evicted;
}

bool RetentionQueue::is_live(std::uint64_t sequence, const std::uint64_t* key) const {
  const std::byte* value = store_.find(table_.index(), key);
  return value && load<std::uint64_t>(value + sequence_offset_) == sequence;
}

std::uint64_t RetentionQueue::evict_due_from(GroupQueues& groups, std::uint64_t most) {
  std::uint64_t evicted = 0;
  for (; most > 0 && groups.has_due(); --most) {
    if (groups.entries() == store_.rows(table_.index()) ||
        is_live(groups.front_sequence(), groups.front_key())) {
      if (!store_.has_room_to_erase()) break;
      const bool erased = store_.erase(table_.index(), groups.front_key());
      PERCH_ASSERT(erased, "a live entry has its row");
      ++evicted;
    }
    groups.pop();
  }
  is_behind_ = groups.has_due();
  return evicted;
}

/// At most `most` entries are looked at, stale ones too. Rows go in the order of their keys, a piece at a
/// time: those that lie together cost one search.
template <class Queue>
std::uint64_t RetentionQueue::evict_due_from(Queue& queue, std::uint64_t most) {
  std::uint64_t evicted = erase_gathered();  // what the last call had no room for
  std::uint64_t rows = store_.rows(table_.index());
  while (most > 0 && doomed_.empty() && queue.size() > 0 && front_is_due(queue, rows)) {
    most -= gather_due(queue, most, rows);
    evicted += erase_gathered();
    rows = store_.rows(table_.index());
  }
  is_behind_ = !doomed_.empty() || (queue.size() > 0 && front_is_due(queue, rows));
  const auto live = [this](std::uint64_t sequence, const std::uint64_t* key) {
    return is_live(sequence, key);
  };
  if (queue.size() > 2 * rows + 1024) queue.sweep(8 * inserted_since_eviction_, live);
  return evicted;
}

/// Moves keys of due rows from the queue to doomed_; returns how many entries it looked at.
template <class Queue>
std::uint64_t RetentionQueue::gather_due(Queue& queue, std::uint64_t most, std::uint64_t rows) {
  constexpr std::uint64_t piece = 1024;
  const std::uint32_t key_words = table_.codec().words();
  std::uint64_t looked_at = 0;
  for (; looked_at < std::min(most, piece) && queue.size() > 0 && front_is_due(queue, rows); ++looked_at) {
    // Every row has exactly one live entry: as many entries as rows means that none is stale.
    if (queue.size() == rows || is_live(queue.front_sequence(), queue.front_key())) {
      doomed_.insert(doomed_.end(), queue.front_key(), queue.front_key() + key_words);
      --rows;
    }
    queue.pop();
  }
  return looked_at;
}

std::uint64_t RetentionQueue::erase_gathered() {
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

bool RetentionQueue::front_is_due(const InsertionRing&, std::uint64_t rows) const noexcept {
  return rows > rows_max_;
}

bool RetentionQueue::front_is_due(const RankHeap& heap, std::uint64_t rows) const noexcept {
  return rows > rows_max_ || (newest_rank_ > age_ns_ && heap.front_rank() < newest_rank_ - age_ns_);
}

std::uint64_t RetentionQueue::rank_of(const std::uint64_t* key, const std::byte* value) const noexcept {
  if (!by_value_) return table_.codec().ordered_bits(key, by_key_index_);
  return rank_of_number(by_value_->type, value + by_value_->offset);
}

std::uint64_t RetentionQueue::entries() const noexcept {
  if (const InsertionRing* ring = std::get_if<InsertionRing>(&queue_)) return ring->size();
  if (const RankHeap* heap = std::get_if<RankHeap>(&queue_)) return heap->size();
  if (const GroupQueues* groups = std::get_if<GroupQueues>(&queue_)) return groups->entries();
  return 0;
}

}  // namespace perch::tables
