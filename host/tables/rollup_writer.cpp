#include "tables/rollup_writer.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/assert.hpp"

namespace perch::tables {
namespace {

constexpr std::uint32_t buffer_bytes_max = 1u << 20;

}  // namespace

RollupWriter::RollupWriter(const Table& table, tree::Store& store, RetentionQueue* queue)
    : table_(table),
      rollup_(*table.rollup()),
      store_(store),
      queue_(queue),
      key_words_(table.codec().words()),
      state_offset_(table.rollup_state_offset()),
      bytes_(state_offset_ + rollup_.state_bytes()),
      groups_max_(std::clamp(buffer_bytes_max / bytes_, 64u, 2048u)),
      slots_(std::bit_ceil(2 * groups_max_)),
      keys_(std::size_t{groups_max_} * key_words_),
      buffers_(std::size_t{groups_max_} * bytes_),
      key_record_(table.key().size()) {
  groups_.reserve(groups_max_);
}

void RollupWriter::fold(const std::byte* source_key, const std::byte* source_value) {
  const std::int64_t bucket = rollup_.group_of(source_key, source_value, key_record_.data());
  late_rows_ += bucket < newest_bucket_ ? 1 : 0;
  newest_bucket_ = std::max(newest_bucket_, bucket);
  std::uint64_t key[tree::key_words_max];
  const bool encoded = table_.codec().encode(key_record_.data(), key);
  PERCH_ASSERT(encoded, "no rollup is grouped by floats");
  Slot& slot = find_slot(key);
  if (slot.epoch != epoch_) return fold_first(slot, key, source_key, source_value);
  if (!groups_[slot.group].is_buffered) buffer(slot.group, key);
  std::byte* const bytes = bytes_of(slot.group);
  rollup_.fold(source_key, source_value, false, bytes, bytes + state_offset_);
}

/// The group's slot, or the free one that it would get.
RollupWriter::Slot& RollupWriter::find_slot(const std::uint64_t* key) noexcept {
  for (std::uint64_t at = hash_(key, key_words_);; ++at) {
    Slot& slot = slots_[at & (slots_.size() - 1)];
    if (slot.epoch != epoch_ || std::equal(key, key + key_words_, key_of(slot.group))) return slot;
  }
}

/// In the tree itself: most likely, where commits are small, the only one before the next commit.
void RollupWriter::fold_first(Slot& slot, const std::uint64_t* key, const std::byte* source_key,
                              const std::byte* source_value) {
  const tree::Placed row = store_.upsert(table_.index(), key);
  rollup_.fold(source_key, source_value, row.inserted, row.value, row.value + state_offset_);
  if (queue_) queue_->written(key, row);
  if (groups_.size() == groups_max_) return flush();
  const auto group = static_cast<std::uint32_t>(groups_.size());
  slot = {epoch_, group};
  groups_.push_back({false});
  std::copy_n(key, key_words_, key_of(group));
}

void RollupWriter::buffer(std::uint32_t group, const std::uint64_t* key) {
  const std::byte* const value = store_.find(table_.index(), key);
  PERCH_ASSERT(value != nullptr, "a touched group has its row");
  std::memcpy(bytes_of(group), value, bytes_);
  groups_[group].is_buffered = true;
}

void RollupWriter::flush() {
  for (std::uint32_t group = 0; group < groups_.size(); ++group) {
    if (!groups_[group].is_buffered) continue;
    const tree::Placed row = store_.upsert(table_.index(), key_of(group));
    PERCH_ASSERT(!row.inserted, "a touched group has its row");
    std::memcpy(row.value, bytes_of(group), bytes_);
    if (queue_) queue_->written(key_of(group), row);
  }
  groups_.clear();
  ++epoch_;
}

}  // namespace perch::tables
