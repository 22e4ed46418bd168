#include "tables/table_writer.hpp"

#include <cstring>

#include "base/assert.hpp"
#include "tables/retention_queue.hpp"

namespace perch::tables {

TableWriter::TableWriter(tree::Store& store, const Catalog& catalog)
    : store_(store), catalog_(catalog), evicted_(catalog.tables().size()) {
  for (const TablePtr& table : catalog.tables()) {
    tree::TableShape shape;
    shape.key_words = table->codec().words();
    shape.value_bytes = table->stored_value_bytes();
    const tree::TableIndex index = store_.add_table(shape);
    PERCH_ASSERT(index == table->index(), "the catalog's tables are the store's first and only ones");
    queues_.push_back(table->retain() ? std::make_unique<RetentionQueue>(*table, store_) : nullptr);
  }
}

TableWriter::~TableWriter() = default;

bool TableWriter::has_room() { return store_.has_room(); }

void TableWriter::warm(tree::TableIndex table, const std::uint64_t* keys, std::uint32_t count) const {
  store_.warm(table, keys, count);
}

void TableWriter::upsert(tree::TableIndex table, const std::uint64_t* key, const std::byte* value) {
  const tree::Placed row = store_.upsert(table, key);
  std::memcpy(row.value, value, catalog_.tables()[table]->value().size());
  if (RetentionQueue* queue = queues_[table].get()) queue->written(key, row);
}

bool TableWriter::erase(tree::TableIndex table, const std::uint64_t* key) { return store_.erase(table, key); }

std::uint64_t TableWriter::retain() {
  std::uint64_t total = 0;
  is_behind_ = false;
  for (std::size_t table = 0; table < queues_.size(); ++table) {
    RetentionQueue* const queue = queues_[table].get();
    if (queue == nullptr) continue;
    const std::uint64_t evicted = queue->evict_due();
    evicted_[table] += evicted;
    total += evicted;
    is_behind_ |= queue->is_behind();
  }
  return total;
}

tree::Version TableWriter::commit(std::int64_t commit_time_ns,
                                  std::span<const tree::SourcePosition> positions) {
  return store_.commit(commit_time_ns, positions);
}

std::uint64_t TableWriter::evicted_rows(tree::TableIndex table) const { return evicted_[table]; }

}  // namespace perch::tables
