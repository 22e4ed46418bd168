#include "lock_step.hpp"

#include <algorithm>
#include <iterator>

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
    case KeyKind::prefixed:
      for (std::uint32_t word = key_words; word-- > 0; index /= 3)
        key[word] = 0x7365'7269'6573'002f + index % 3;
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
  expect(store_->has_room_to_erase(), "there is no room to erase");
  const bool erased = store_->erase(at.index, key.data());
  expect(erased == (at.model.erase(key) == 1), "erase reports the wrong thing");
}

void LockStep::erase_range(std::size_t table, const TestBound& low, const TestBound& high) {
  Table& at = tables_[table];
  const auto [begin, end] = range_of(at.model, low, high);
  const auto rows = static_cast<std::uint64_t>(std::distance(begin, end));
  at.model.erase(begin, end);
  expect(store_->has_room_to_erase(), "there is no room to erase");
  expect(store_->erase_range(at.index, low.bound(), high.bound()) == rows,
         "range erase reports another number of rows");
  expect(store_->rows(at.index) == at.model.size(), "the writer's row count is wrong after a range erase");
}

void LockStep::erase_first(std::size_t table, std::uint64_t rows) {
  Table& at = tables_[table];
  const std::uint64_t expected = std::min<std::uint64_t>(rows, at.model.size());
  at.model.erase(at.model.begin(), std::next(at.model.begin(), static_cast<std::ptrdiff_t>(expected)));
  expect(store_->has_room_to_erase(), "there is no room to erase");
  expect(store_->erase_first(at.index, rows) == expected, "erase_first reports another number of rows");
  expect(store_->rows(at.index) == at.model.size(), "the writer's row count is wrong after erase_first");
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

void LockStep::scan_held() {
  if (held_.empty()) return;
  const Held& held = held_[random_.below(held_.size())];
  const std::size_t table = random_.below(tables_.size());
  expect_range(held.snapshot->snapshot(), tables_[table].index, tables_[table].plan.shape, held.models[table],
               random_bound(table, random_row(table)), random_bound(table, random_row(table)),
               random_.chance(50),
               random_.chance(50) ? UINT32_MAX : static_cast<std::uint32_t>(1 + random_.below(5)));
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

/// A key of the model, or any when it is empty.
Key LockStep::random_row(std::size_t table) {
  const Model& rows = model(table);
  if (rows.empty()) return random_key(table);
  const auto row = rows.lower_bound(random_key(table));
  return row == rows.end() ? rows.rbegin()->first : row->first;
}

/// At, just before or just behind `near`, or nowhere near; open now and then.
TestBound LockStep::random_bound(std::size_t table, const Key& near) {
  TestBound bound{random_.chance(50) ? TestBound::inclusive : TestBound::exclusive, near};
  std::uint64_t& last_word = bound.key[tables_[table].plan.shape.key_words - 1];
  switch (random_.below(20)) {
    case 0:
      bound.kind = TestBound::open;
      break;
    case 1:
    case 2:
      bound.key = random_key(table);
      break;
    case 3:
    case 4:
      last_word -= last_word > 0 ? 1 : 0;
      break;
    case 5:
    case 6:
      last_word += last_word < UINT64_MAX ? 1 : 0;
      break;
    default:
      break;
  }
  return bound;
}

void LockStep::look_at_held(std::size_t held_max) {
  switch (random_.below(5)) {
    case 0:
      compare_held();
      break;
    case 1:
      diff_held();
      break;
    case 2:
      held_.size() < held_max ? hold() : release_one();
      break;
    case 3:
      for (int i = 0; i < 3; ++i) scan_held();
      break;
    default:
      compare_held();
      release_one();
      break;
  }
}

/// Mostly a few rows, sometimes up to a quarter of the table; bounds in the wrong order now and then.
void LockStep::erase_some(std::size_t table) {
  const Model& rows = model(table);
  const std::uint64_t most = random_.chance(20) ? rows.size() / 4 : 8;
  if (random_.chance(30)) return erase_first(table, random_.below(most + 1));
  const Key from = random_row(table);
  auto to = rows.lower_bound(from);
  for (std::uint64_t i = random_.below(most + 1); i > 0 && to != rows.end(); --i) ++to;
  TestBound low = random_bound(table, from);
  TestBound high = random_bound(table, to == rows.end() ? from : to->first);
  // An open end, or one that is anywhere, takes most of a large table with it: seldom.
  const auto range = range_of(rows, low, high);
  if (rows.size() > 500 && random_.chance(97) &&
      static_cast<std::uint64_t>(std::distance(range.first, range.second)) > rows.size() / 4) {
    low = {TestBound::inclusive, from};
    high = {TestBound::exclusive, to == rows.end() ? from : to->first};
  }
  if (random_.chance(3)) std::swap(low, high);
  erase_range(table, low, high);
}

/// Ascending keys, those that are there and new ones between them, from somewhere or from the last row on;
/// half of the batches are announced with warm.
void LockStep::begin_batch(std::size_t table) {
  batch_.table = table;
  batch_.left = 1 + random_.below(random_.chance(20) ? 80 : 12);
  batch_.key = random_.chance(40) && !model(table).empty() ? model(table).rbegin()->first : random_row(table);
  if (random_.chance(50)) return;
  std::vector<std::uint64_t> keys;
  const std::uint32_t key_words = tables_[table].plan.shape.key_words;
  auto row = model(table).lower_bound(batch_.key);
  for (std::uint64_t i = random_.below(batch_.left + 1); i > 0 && row != model(table).end(); --i, ++row)
    keys.insert(keys.end(), row->first.begin(), row->first.begin() + key_words);
  store_->warm(tables_[table].index, keys.data(), static_cast<std::uint32_t>(keys.size() / key_words));
}

void LockStep::go_on_with_batch(std::uint64_t upsert_percent) {
  --batch_.left;
  const Model& rows = model(batch_.table);
  std::uint64_t& last_word = batch_.key[tables_[batch_.table].plan.shape.key_words - 1];
  const auto next = rows.upper_bound(batch_.key);
  const bool dense = next == rows.end() || random_.chance(50);
  if (dense && last_word < UINT64_MAX) {
    ++last_word;
  } else if (next != rows.end()) {
    batch_.key = next->first;
  } else {
    batch_.left = 0;
    return;
  }
  write_at(batch_.table, batch_.key, upsert_percent);
}

void LockStep::write_at(std::size_t table, const Key& key, std::uint64_t upsert_percent) {
  if (random_.chance(5))
    find(table, key);
  else if (random_.chance(3))
    touch(table, key);
  else if (random_.chance(upsert_percent))
    upsert(table, key);
  else
    erase(table, key);
}

void LockStep::random_step(std::uint64_t upsert_percent, std::uint64_t commit_per_mille,
                           std::size_t held_max) {
  if (random_.below(1000) < commit_per_mille) return commit();
  if (batch_.left > 0) return go_on_with_batch(upsert_percent);
  const std::size_t table = random_.below(tables_.size());
  if (random_.below(10 + model(table).size() / 2) == 0) return look_at_held(held_max);  // costs more there
  if (random_.below(60) == 0) return begin_batch(table);
  if (random_.below(upsert_percent > 60 ? 200 : 40) == 0) return erase_some(table);
  write_at(table, random_.chance(80) ? random_key(table) : random_row(table), upsert_percent);
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
    const std::size_t at_once =
        random_.chance(50) ? keys.size() / 4 : keys.size();  // half of the rest, or none
    for (std::size_t i = 0; i < keys.size(); ++i) {
      if (i == at_once) erase_first(table, model(table).size() / 2);
      erase(table, keys[i]);
      if (random_.below(50) == 0) commit();
      if (check_each_step) check();
    }
    expect(store_->rows(tables_[table].index) == 0, "a drained table has rows");
  }
  commit();
}

}  // namespace perch::tree::test
