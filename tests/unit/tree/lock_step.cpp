#include "lock_step.hpp"

#include <algorithm>

namespace perch::tree::test {

Key make_key(KeyKind kind, std::uint32_t key_words, std::uint64_t index) {
  static constexpr std::uint64_t edges[] = {
      0, 1, INT64_MAX, std::uint64_t{1} << 63, (std::uint64_t{1} << 63) + 1, UINT64_MAX};
  Key key{};
  switch (kind) {
    case KeyKind::random:
      for (std::uint32_t word = 0; word < key_words; ++word) key[word] = mix(index * 8 + word + 1);
      break;
    case KeyKind::sequential:
      key[key_words - 1] = index;
      break;
    case KeyKind::clustered:
      for (std::uint32_t word = 0; word < key_words; ++word)
        key[word] = 0x7472'6164'6573'0000 + (index >> 10) % 3;
      key[key_words - 1] += (index >> 5) << 40 | (index & 31);
      break;
    case KeyKind::edges:
      for (std::uint32_t word = 0; word < key_words; ++word, index /= 6) key[word] = edges[index % 6];
      break;
  }
  return key;
}

LockStep::LockStep(std::uint64_t seed, const std::vector<TablePlan>& plans)
    : random_(seed), store_(make_store()) {
  for (const TablePlan& plan : plans) tables_.push_back({plan, store_->add_table(plan.shape), {}});
}

Key LockStep::random_key(std::size_t table) {
  const TablePlan& plan = tables_[table].plan;
  return make_key(plan.keys, plan.shape.key_words, random_.below(plan.domain));
}

void LockStep::upsert(std::size_t table, const Key& key) {
  Table& at = tables_[table];
  const std::uint64_t stamp = random_.next();
  expect(store_->has_room(), "the arena is full");
  const Placed placed = store_->upsert(at.index, key.data());
  const auto [row, inserted] = at.model.try_emplace(key, stamp);
  expect(placed.inserted == inserted, "upsert reports the wrong kind");
  if (inserted)
    expect(is_zero(placed.value, at.plan.shape.value_bytes), "a new row's bytes are not zero");
  else
    expect(value_is(placed.value, at.plan.shape.value_bytes, row->second), "upsert lost the old value");
  fill_value(placed.value, at.plan.shape.value_bytes, stamp);
  row->second = stamp;
}

void LockStep::touch(std::size_t table, const Key& key) {
  Table& at = tables_[table];
  const auto row = at.model.find(key);
  if (row == at.model.end()) return;
  expect(store_->has_room(), "the arena is full");
  const Placed placed = store_->upsert(at.index, key.data());
  expect(!placed.inserted, "upsert inserts a row that exists");
  expect(value_is(placed.value, at.plan.shape.value_bytes, row->second), "upsert lost the old value");
}

void LockStep::erase(std::size_t table, const Key& key) {
  Table& at = tables_[table];
  const bool erased = store_->erase(at.index, key.data());
  expect(erased == (at.model.erase(key) == 1), "erase reports the wrong thing");
}

void LockStep::find(std::size_t table, const Key& key) {
  const Table& at = tables_[table];
  const std::byte* value = store_->find(at.index, key.data());
  const auto row = at.model.find(key);
  expect((value != nullptr) == (row != at.model.end()), "find finds what is not there, or not what is");
  if (value) expect(value_is(value, at.plan.shape.value_bytes, row->second), "find finds another value");
  expect(store_->rows(at.index) == at.model.size(), "the writer's row count is wrong");
}

void LockStep::commit() {
  const std::int64_t time_ns = static_cast<std::int64_t>(version_) * 10 + 7;
  const SourcePosition position{version_ * 3, version_, 1};
  expect(store_->commit(time_ns, {&position, 1}) == version_ + 1, "versions do not count up by one");
  ++version_;
  expect(store_->published_version() == version_, "the writer's published version is wrong");
  expect(store_->reads().published_version() == version_, "the readers' published version is wrong");
}

void LockStep::check() {
  const std::string problem = store_->check();
  expect(problem.empty(), problem);
}

void LockStep::compare_published() {
  const SharedSnapshot snapshot = store_->reads().acquire();
  for (const Table& table : tables_)
    expect_equal(snapshot->snapshot(), table.index, table.plan.shape, table.model);
}

void LockStep::hold() {
  commit();
  Held held{store_->reads().acquire(), {}};
  for (const Table& table : tables_) held.models.push_back(table.model);
  const Snapshot& snapshot = held.snapshot->snapshot();
  expect(snapshot.version() == version_, "acquire pins another version than the published one");
  held_.push_back(std::move(held));
}

void LockStep::compare_held() {
  if (held_.empty()) return;
  const Held& held = held_[random_.below(held_.size())];
  for (std::size_t table = 0; table < tables_.size(); ++table)
    expect_equal(held.snapshot->snapshot(), tables_[table].index, tables_[table].plan.shape,
                 held.models[table],
                 random_.chance(50) ? UINT32_MAX : static_cast<std::uint32_t>(1 + random_.below(3)));
}

void LockStep::diff_held() {
  if (held_.empty()) return;
  const Held& left = held_[random_.below(held_.size())];
  const Held& right = held_[random_.below(held_.size())];
  for (std::size_t table = 0; table < tables_.size(); ++table)
    expect_diff(left.snapshot->snapshot(), left.models[table], right.snapshot->snapshot(),
                right.models[table], tables_[table].index, tables_[table].plan.shape);
}

void LockStep::release_one() {
  if (held_.empty()) return;
  std::swap(held_[random_.below(held_.size())], held_.back());
  const Held& held = held_.back();
  const Snapshot& snapshot = held.snapshot->snapshot();
  expect(snapshot.commit_time_ns() == static_cast<std::int64_t>(snapshot.version() - 1) * 10 + 7,
         "a held snapshot's commit time changed");
  for (std::size_t table = 0; table < tables_.size(); ++table)
    expect_equal(snapshot, tables_[table].index, tables_[table].plan.shape, held.models[table]);
  held_.pop_back();
}

void LockStep::release_all() {
  while (!held_.empty()) release_one();
}

void LockStep::random_step(std::uint64_t upsert_percent, std::uint64_t commit_per_mille,
                           std::size_t held_max) {
  const std::size_t table = random_.below(tables_.size());
  if (random_.below(1000) < commit_per_mille) return commit();
  if (random_.below(10 + model(table).size() / 2) == 0) {  // rarer where it costs more
    switch (random_.below(4)) {
      case 0:
        compare_held();
        break;
      case 1:
        diff_held();
        break;
      case 2:
        held_.size() < held_max ? hold() : release_one();
        break;
      default:
        compare_held();
        release_one();
        break;
    }
    return;
  }
  const Key key = random_key(table);
  if (random_.chance(5))
    find(table, key);
  else if (random_.chance(3))
    touch(table, key);
  else if (random_.chance(upsert_percent))
    upsert(table, key);
  else
    erase(table, key);
}

void LockStep::drain(bool check_each_step) {
  for (std::size_t table = 0; table < tables_.size(); ++table) {
    std::vector<Key> keys;
    for (const auto& row : model(table)) keys.push_back(row.first);
    switch (random_.below(3)) {
      case 0:
        break;
      case 1:
        std::reverse(keys.begin(), keys.end());
        break;
      default:
        for (std::size_t i = keys.size(); i > 1; --i) std::swap(keys[i - 1], keys[random_.below(i)]);
    }
    for (const Key& key : keys) {
      erase(table, key);
      if (random_.below(50) == 0) commit();
      if (check_each_step) check();
    }
    expect(store_->rows(tables_[table].index) == 0, "a drained table has rows");
  }
  commit();
}

}  // namespace perch::tree::test
