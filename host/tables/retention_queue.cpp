#include "tables/retention_queue.hpp"

#include <algorithm>

namespace perch::tables {

RetentionQueue::RetentionQueue(const Table& table, tree::Store& store) : order_(order_of(table, store)) {}

RetentionQueue::Order RetentionQueue::order_of(const Table& table, tree::Store& store) {
  const RetainSpec& retain = *table.retain();
  // With an age, the key's first field is a timestamp_ns: its first word, in nanoseconds.
  if (table.retains_in_key_order()) return KeyOrder(store, table.index(), retain.rows_max(), retain.age_ns());
  if (!retain.per.empty()) return EntryOrder(table, store, GroupQueues(table, retain.rows_max()));
  if (retain.by) return EntryOrder(table, store, RankHeap(table.codec().words()));
  return EntryOrder(table, store, InsertionRing(table.codec().words()));
}

void RetentionQueue::written(const std::uint64_t* key, const tree::Placed& row) {
  inserted_since_eviction_ += row.inserted ? 1 : 0;
  std::visit([&](auto& order) { order.written(key, row); }, order_);
}

std::uint64_t RetentionQueue::evict_due() {
  const EvictionBudget budget{.rows = std::max(rows_per_call, 4 * inserted_since_eviction_),
                              .swept_entries = 8 * inserted_since_eviction_};
  inserted_since_eviction_ = 0;
  return std::visit([&](auto& order) { return order.evict_due(budget); }, order_);
}

bool RetentionQueue::is_behind() const noexcept {
  return std::visit([](const auto& order) { return order.is_behind(); }, order_);
}

std::uint64_t RetentionQueue::entries() const noexcept {
  return std::visit([](const auto& order) { return order.entries(); }, order_);
}

}  // namespace perch::tables
