#include "tables/group_queues.hpp"

#include <cstring>

#include "base/assert.hpp"
#include "tables/catalog.hpp"
#include "tables/key_hash.hpp"

namespace perch::tables {
namespace {

std::uint64_t size_of(const GroupQueues::Queue& queue) noexcept {
  return std::visit([](const auto& q) { return q.size(); }, queue);
}

}  // namespace

GroupQueues::GroupQueues(const Table& table, std::uint64_t rows_max)
    : table_(table), rows_max_(rows_max), key_record_(table.key().size()) {
  for (const std::string& name : table.retain()->per) {
    const Field* in_key = table.key().find(name);
    const Field* field = in_key ? in_key : table.value().find(name);
    PERCH_ASSERT(field, "Table::make checked the name");
    parts_.push_back({in_key != nullptr, field->offset, field->size()});
  }
}

std::size_t GroupQueues::HashKey::operator()(const GroupKey& key) const noexcept {
  return KeyHash::of_process()(key.data(), tree::key_words_max);
}

GroupQueues::GroupKey GroupQueues::group_of(const std::uint64_t* key, const std::byte* value) {
  GroupKey group{};
  auto* to = reinterpret_cast<std::byte*>(group.data());
  table_.codec().decode(key, key_record_.data());
  for (const Part& part : parts_) {
    std::memcpy(to, (part.in_key ? key_record_.data() : value) + part.offset, part.size);
    to += part.size;
  }
  return group;
}

GroupQueues::Queue GroupQueues::make_queue() const {
  if (table_.retain()->by) return RankHeap(table_.codec().words());
  return InsertionRing(table_.codec().words());
}

void GroupQueues::push(const QueueEntry& added) {
  const GroupKey group = group_of(added.key, added.value);
  auto found = groups_.find(group);
  if (found == groups_.end()) found = groups_.emplace(group, make_queue()).first;
  Queue& queue = found->second;
  std::visit([&](auto& q) { q.push(added); }, queue);
  ++entries_;
  if (size_of(queue) == rows_max_ + 1) due_.push_back(&queue);
}

std::uint64_t GroupQueues::front_sequence() {
  return std::visit([](auto& queue) { return queue.front_sequence(); }, *due_.back());
}

const std::uint64_t* GroupQueues::front_key() {
  return std::visit([](auto& queue) { return queue.front_key(); }, *due_.back());
}

void GroupQueues::pop() {
  std::visit([](auto& queue) { queue.pop(); }, *due_.back());
  --entries_;
  if (size_of(*due_.back()) == rows_max_) due_.pop_back();
}

}  // namespace perch::tables
