// Cursors: every kind of bound, both ways, every cut into runs, against ranges of std::map.
#include "lock_step.hpp"

namespace perch::tree::test {

namespace cursor_test {

void expect_range(const Snapshot& snapshot, TableIndex table, const TableShape& shape, const Model& model,
                  const TestBound& low, const TestBound& high) {
  for (const bool reverse : {false, true}) {
    for (const std::uint32_t max_rows : {1U, 2U, UINT32_MAX})
      expect_range(snapshot, table, shape, model, low, high, reverse, max_rows);
  }
}

/// Every pair of bounds out of `keys`.
void expect_every_range(const Snapshot& snapshot, TableIndex table, const TableShape& shape,
                        const Model& model, const std::vector<Key>& keys) {
  std::vector<TestBound> bounds{{}};
  for (const Key& key : keys)
    for (const auto kind : {TestBound::inclusive, TestBound::exclusive}) bounds.push_back({kind, key});
  for (const TestBound& low : bounds)
    for (const TestBound& high : bounds) expect_range(snapshot, table, shape, model, low, high);
}

TEST_CASE("cursor: every range of small trees at fan-out 3") {
  const TableShape shape{1, 8, 3, 3};
  auto store = make_store();
  const TableIndex table = store->add_table(shape);
  Model model;
  for (std::uint64_t rows = 0; rows <= 14; ++rows) {
    INFO("rows ", rows);
    if (rows > 0) {
      // Odd rows come at the front, even ones at the back: splits on both edges. All keys are even.
      const Key key = key_of(rows % 2 ? 100 - rows : 100 + rows);
      const Key even = key_of(key[0] & ~std::uint64_t{1});
      const std::uint64_t stamp = mix(rows);
      put(*store, table, even, shape.value_bytes, stamp);
      model[even] = stamp;
    }
    store->commit(0, {});
    std::vector<Key> keys{key_of(0), key_of(UINT64_MAX)};
    for (const auto& row : model) {
      keys.push_back(row.first);
      keys.push_back(key_of(row.first[0] + 1));
    }
    const SharedSnapshot snapshot = store->reads().acquire();
    expect_every_range(snapshot->snapshot(), table, shape, model, keys);
  }
}

TEST_CASE("cursor: every range of a tree of four levels with gaps") {
  const TableShape shape{1, 8, 3, 3};
  auto store = make_store();
  const TableIndex table = store->add_table(shape);
  Model model;
  for (std::uint64_t i = 0; i < 60; ++i) {
    const Key key = key_of(i * 37 % 60 * 2);
    put(*store, table, key, shape.value_bytes, i);
    model[key] = i;
  }
  for (std::uint64_t i = 0; i < 60; ++i) {  // separators whose rows are gone, leaves of one row
    if (i % 3 == 1 || (i > 20 && i < 30)) {
      const Key key = key_of(i * 2);
      expect(store->erase(table, key.data()), "erase misses a row");
      model.erase(key);
    }
  }
  store->commit(0, {});
  std::vector<Key> keys;
  for (std::uint64_t word = 0; word <= 120; word += 1 + word % 2 * (word % 5 == 0))
    keys.push_back(key_of(word));
  const SharedSnapshot snapshot = store->reads().acquire();
  expect_every_range(snapshot->snapshot(), table, shape, model, keys);
}

TEST_CASE("cursor: ranges over keys of several words with extreme words") {
  for (const std::uint32_t key_words : {1U, 2U, 8U}) {
    for (const std::uint32_t fan_out : {3U, 0U}) {
      INFO("key_words ", key_words, ", fan-out ", fan_out);
      const TableShape shape{key_words, 32, fan_out, fan_out};
      auto store = make_store();
      const TableIndex table = store->add_table(shape);
      Model model;
      Random random(key_words);
      for (int i = 0; i < 400; ++i) {
        const Key key = make_key(KeyKind::edges, key_words, random.below(key_words == 8 ? 1679616 : 36));
        const std::uint64_t stamp = random.next();
        put(*store, table, key, shape.value_bytes, stamp);
        model[key] = stamp;
      }
      store->commit(0, {});
      const SharedSnapshot snapshot = store->reads().acquire();
      std::vector<Key> keys;
      for (int i = 0; i < 12; ++i)
        keys.push_back(make_key(KeyKind::edges, key_words, random.below(key_words == 8 ? 1679616 : 36)));
      for (int i = 0; i < 4; ++i) keys.push_back(std::next(model.begin(), random.below(model.size()))->first);
      expect_every_range(snapshot->snapshot(), table, shape, model, keys);
    }
  }
}

TEST_CASE("cursor: random ranges of a large tree") {
  const TableShape shape{2, 32, 0, 0};
  auto store = make_store();
  const TableIndex table = store->add_table(shape);
  Model model;
  Random random(5);
  for (int i = 0; i < 6000; ++i) {
    const Key key = make_key(KeyKind::clustered, 2, random.below(9000));
    const std::uint64_t stamp = random.next();
    put(*store, table, key, shape.value_bytes, stamp);
    model[key] = stamp;
  }
  store->commit(0, {});
  const SharedSnapshot snapshot = store->reads().acquire();
  auto any_bound = [&] {
    return TestBound{static_cast<TestBound::Kind>(random.below(3)),
                     make_key(KeyKind::clustered, 2, random.below(9000))};
  };
  for (int i = 0; i < 60; ++i)
    expect_range(snapshot->snapshot(), table, shape, model, any_bound(), any_bound());
}

TEST_CASE("cursor: runs stay within a leaf and cover it whole when asked for much") {
  const TableShape shape{1, 8, 4, 4};
  auto store = make_store();
  const TableIndex table = store->add_table(shape);
  for (std::uint64_t i = 0; i < 100; ++i) put(*store, table, key_of(i), shape.value_bytes, i);
  store->commit(0, {});
  const SharedSnapshot snapshot = store->reads().acquire();
  std::size_t runs = 0;
  Cursor cursor(snapshot->snapshot(), table);
  for (Run run = cursor.next(); run.count != 0; run = cursor.next(), ++runs) CHECK(run.count <= 4);
  CHECK(runs >= 25);
  CHECK(runs <= 50);  // leaves are at least half full on average
}

TEST_CASE("cursor: a copy goes on from where the original was") {
  const TableShape shape{1, 8, 3, 3};
  auto store = make_store();
  const TableIndex table = store->add_table(shape);
  for (std::uint64_t i = 0; i < 50; ++i) put(*store, table, key_of(i), shape.value_bytes, i);
  store->commit(0, {});
  const SharedSnapshot snapshot = store->reads().acquire();
  Cursor original(snapshot->snapshot(), table);
  for (std::uint64_t i = 0; i < 50; ++i) {
    Cursor copy = original;
    CHECK(copy.next(1).key_word(0, 0) == i);
    CHECK(original.next(1).key_word(0, 0) == i);
  }
}

TEST_CASE("cursor: version 0 and unknown tables have no rows") {
  Cursor over_nothing;
  CHECK(over_nothing.next().count == 0);
  Cursor over_version_0(Snapshot{}, 3);
  CHECK(over_version_0.next().count == 0);
  auto store = make_store();
  store->commit(0, {});
  const SharedSnapshot snapshot = store->reads().acquire();
  const Key key = key_of(1);
  for (const bool reverse : {false, true}) {
    Cursor unknown(snapshot->snapshot(), 200, {key.data(), true}, {key.data(), true}, reverse);
    CHECK(unknown.next().count == 0);
  }
}

}  // namespace cursor_test
}  // namespace perch::tree::test
