#include "tables/table_writer.hpp"

#include <cstring>

#include "base/assert.hpp"
#include "tables/retention_queue.hpp"
#include "tables/rollup_writer.hpp"

namespace perch::tables {

TableWriter::TableWriter(tree::Store& store, const Catalog& catalog) : store_(store) {
  for (const TablePtr& table : catalog.tables()) add_table(table);
}

TableWriter::~TableWriter() = default;

void TableWriter::add_table(TablePtr table) {
  tree::TableShape shape;
  shape.key_words = table->codec().words();
  shape.value_bytes = table->stored_value_bytes();
  const tree::TableIndex index = store_.add_table(shape);
  PERCH_ASSERT(index == table->index() && index == tables_.size(), "the catalog's tables are the store's");
  OpenTable& added = tables_.emplace_back();
  added.table = std::move(table);
  added.key_record.resize(added.table->key().size());
  if (added.table->retain()) added.queue = std::make_unique<RetentionQueue>(*added.table, store_);
  if (added.table->rollup())
    added.rollup = std::make_unique<RollupWriter>(*added.table, store_, added.queue.get());
  // A rollup may stand before its source, or behind it.
  for (OpenTable& source : tables_) {
    for (const OpenTable& rollup : tables_) {
      const Rollup* const of = rollup.table->rollup();
      const bool is_new = &source == &added || &rollup == &added;
      if (!is_new || !of || of->spec().of != source.table->name()) continue;
      source.rollups.push_back(rollup.table->index());
      source.rollups_read_key |= of->reads_key();
    }
  }
}

bool TableWriter::has_room() { return store_.has_room(); }

void TableWriter::warm(tree::TableIndex table, const std::uint64_t* keys, std::uint32_t count) const {
  store_.warm(table, keys, count);
}

void TableWriter::upsert(tree::TableIndex table, const std::uint64_t* key, const std::byte* value) {
  OpenTable& open = tables_[table];
  const tree::Placed row = store_.upsert(table, key);
  std::memcpy(row.value, value, open.table->value().size());
  if (open.queue) open.queue->written(key, row);
  if (!open.rollups.empty()) fold_rollups(open, key, value);
}

void TableWriter::fold_rollups(OpenTable& source, const std::uint64_t* key, const std::byte* value) {
  if (source.rollups_read_key) source.table->codec().decode(key, source.key_record.data());
  for (const tree::TableIndex rollup : source.rollups)
    tables_[rollup].rollup->fold(source.key_record.data(), value);
}

void TableWriter::flush_rollups() {
  for (OpenTable& table : tables_) {
    if (table.rollup) table.rollup->flush();
  }
}

bool TableWriter::erase(tree::TableIndex table, const std::uint64_t* key) { return store_.erase(table, key); }

std::uint64_t TableWriter::retain() {
  flush_rollups();  // before rows of theirs go
  std::uint64_t total = 0;
  is_behind_ = false;
  for (OpenTable& table : tables_) {
    if (!table.queue) continue;
    const std::uint64_t evicted = table.queue->evict_due();
    table.evicted += evicted;
    total += evicted;
    is_behind_ |= table.queue->is_behind();
  }
  return total;
}

tree::Version TableWriter::commit(std::int64_t commit_time_ns,
                                  std::span<const tree::SourcePosition> positions) {
  flush_rollups();
  return store_.commit(commit_time_ns, positions);
}

std::uint64_t TableWriter::late_rows(tree::TableIndex table) const {
  const auto& rollup = tables_[table].rollup;
  return rollup ? rollup->late_rows() : 0;
}

}  // namespace perch::tables
