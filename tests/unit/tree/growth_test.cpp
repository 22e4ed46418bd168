// A small arena: it says no in time, erasing goes on, and nothing is lost on the way.
#include <iterator>

#include "lock_step.hpp"

namespace perch::tree::test {

namespace growth_test {

struct Table {
  TableIndex index;
  TableShape shape;
};

/// Upserts a row into each table until the store says that there is no room. Returns the next key.
std::uint64_t fill_up(Store& store, const std::vector<Table>& tables, std::vector<Model>& models,
                      std::uint64_t next) {
  for (; store.has_room(); ++next) {
    for (std::size_t i = 0; i < tables.size(); ++i) {  // one upsert into each after one yes: that is promised
      const Key key = key_of(mix(next));
      const std::uint64_t stamp = mix(next + i);
      fill_value(store.upsert(tables[i].index, key.data()).value, tables[i].shape.value_bytes, stamp);
      models[i][key] = stamp;
    }
    if (next % 50 == 0) store.commit(0, {});
    expect(next < 10'000'000, "a small arena never fills");
  }
  store.commit(0, {});
  return next;
}

/// Erases `count` rows of each table at random places; commits whenever there is no room to erase.
void erase_some(Store& store, const std::vector<Table>& tables, std::vector<Model>& models, std::size_t count,
                Random& random) {
  for (std::size_t i = 0; i < tables.size(); ++i) {
    for (std::size_t erased = 0; erased < count && !models[i].empty(); ++erased) {
      auto row = models[i].lower_bound(key_of(random.next()));
      if (row == models[i].end()) row = models[i].begin();
      for (int commits = 0; !store.has_room_to_erase(); ++commits) {
        expect(commits < 1000, "there is never room to erase");
        store.commit(0, {});
      }
      expect(store.erase(tables[i].index, row->first.data()), "erase misses a row");
      models[i].erase(row);
      if (erased % 50 == 0) store.commit(0, {});
    }
  }
  store.commit(0, {});
}

void expect_all(Store& store, const std::vector<Table>& tables, const std::vector<Model>& models) {
  const std::string problem = store.check();
  expect(problem.empty(), problem);
  const SharedSnapshot snapshot = store.reads().acquire();
  for (std::size_t i = 0; i < tables.size(); ++i)
    expect_equal(snapshot->snapshot(), tables[i].index, tables[i].shape, models[i]);
}

void fill_and_empty(std::uint64_t arena_bytes, const std::vector<TableShape>& shapes, int rounds) {
  auto store = make_store(arena_bytes);
  std::vector<Table> tables;
  for (const TableShape& shape : shapes) tables.push_back({store->add_table(shape), shape});
  std::vector<Model> models(shapes.size());
  Random random(arena_bytes);
  std::uint64_t next = 0;
  std::size_t first_rows = 0;
  for (int round = 0; round < (brevity > 1 ? 2 : rounds); ++round) {
    INFO("round ", round);
    next = fill_up(*store, tables, models, next);
    expect_all(*store, tables, models);
    const MemoryStats stats = store->stats();
    CHECK(stats.live_bytes + stats.retained_bytes + stats.free_bytes <= arena_bytes);
    CHECK(stats.committed_bytes <= stats.reserved_bytes);
    if (round == 0) first_rows = models[0].size();
    CHECK(models[0].size() >= first_rows / 2);  // memory comes back: it does not fill earlier and earlier
    const std::size_t rows = models[0].size();
    const std::size_t erase_count = round % 3 == 0 ? rows * 2 / 3 : round % 3 == 1 ? rows * 3 / 4 : rows;
    erase_some(*store, tables, models, erase_count, random);
    expect_all(*store, tables, models);
    store->reclaim_all();
    CHECK(store->has_room());
  }
}

/// Fills a small arena, then erases row after row, each in a version of its own that stays held, at most
/// `erases_max` and as long as there is room to erase. Then erases `low` to `high` if there still is. Returns
/// how many rows it erased one by one.
std::uint64_t use_up(const TableShape& shape, std::uint64_t erases_max, const Key& low, const Key& high) {
  auto store = make_store(std::uint64_t{2} << 20);
  const std::vector<Table> tables{{store->add_table(shape), shape}};
  std::vector<Model> models(1);
  fill_up(*store, tables, models, 0);
  std::vector<SharedSnapshot> held;
  std::uint64_t erases = 0;
  for (; erases < erases_max && store->has_room_to_erase(); ++erases) {
    held.push_back(store->reads().acquire());
    models[0].erase(key_of(mix(erases)));
    expect(store->erase(tables[0].index, key_of(mix(erases)).data()), "erase misses a row");
    store->commit(0, {});
  }
  if (store->has_room_to_erase()) {
    held.push_back(store->reads().acquire());
    models[0].erase(models[0].lower_bound(low), models[0].lower_bound(high));
    store->erase_range(tables[0].index, {low.data(), true}, {high.data(), false});
    store->commit(0, {});
    expect_all(*store, tables, models);
  }
  return erases;
}

TEST_CASE("growth: a full arena says so, and goes on after erasing") {
  fill_and_empty(std::uint64_t{8} << 20, {{1, 120, 0, 0}}, 9);
}

TEST_CASE("growth: small nodes, large values, and tables of equal sizes share a small arena") {
  fill_and_empty(std::uint64_t{4} << 20, {{1, 8, 3, 3}}, 6);
  fill_and_empty(std::uint64_t{16} << 20, {{1, 4096, 0, 0}}, 6);
  fill_and_empty(std::uint64_t{16} << 20, {{8, value_bytes_max, 3, 3}}, 6);
  fill_and_empty(std::uint64_t{16} << 20, {{1, 200, 0, 0}, {1, 200, 0, 0}, {1, 200, 0, 0}, {1, 200, 0, 0}},
                 6);
  fill_and_empty(std::uint64_t{24} << 20, {{1, 32, 3, 3}, {2, 200, 0, 0}, {8, 4096, 4, 4}}, 6);
}

TEST_CASE("growth: many tables in a small arena") {
  std::vector<TableShape> shapes(40, TableShape{1, 400, 0, 0});
  fill_and_empty(std::uint64_t{32} << 20, shapes, 2);
}

TEST_CASE("growth: full of retained versions, it has room again when their pins go") {
  auto store = make_store(std::uint64_t{16} << 20);
  const std::vector<Table> tables{{store->add_table({1, 32, 0, 0}), {1, 32, 0, 0}}};
  std::vector<Model> models(1);
  for (std::uint64_t i = 0; i < 40000; ++i) {
    put(*store, tables[0].index, key_of(mix(i)), 32, mix(i));
    models[0][key_of(mix(i))] = mix(i);
    if (i % 100 == 0) store->commit(0, {});
  }
  std::vector<SharedSnapshot> held;
  std::vector<Model> held_models;
  std::uint64_t round = 0;
  for (; store->has_room(); ++round) {  // every pinned version retains its own copies of the leaves
    const Key key = key_of(mix(round * 7919 % 40000));
    const std::uint64_t stamp = mix(round + 1);
    fill_value(store->upsert(tables[0].index, key.data()).value, 32, stamp);
    models[0][key] = stamp;
    if (round % 4000 == 0) {
      store->commit(0, {});
      held.push_back(store->reads().acquire());
      held_models.push_back(models[0]);
    }
    expect(round < 1'000'000, "pinned versions never fill the arena");
  }
  store->commit(0, {});
  CHECK(held.size() >= 1);
  Random random(1);
  for (int i = 0; i < 100 && store->has_room_to_erase(); ++i) {
    const Key key = models[0].begin()->first;
    CHECK(store->erase(tables[0].index, key.data()));
    models[0].erase(key);
  }
  store->commit(0, {});
  for (std::size_t i = 0; i < held.size(); ++i)
    expect_equal(held[i]->snapshot(), tables[0].index, tables[0].shape, held_models[i]);
  expect_all(*store, tables, models);
  held.clear();
  store->commit(0, {});
  store->reclaim_all();
  CHECK(store->has_room());
  CHECK(store->has_room_to_erase());
  expect_all(*store, tables, models);
}

TEST_CASE("growth: range erases never run out where there was room to erase, whatever is retained") {
  const TableShape shapes[] = {{1, 8, 3, 3}, {1, 8, 0, 0}, {2, 300, 3, 4}, {8, 32, 4, 3}, {1, 4096, 3, 3}};
  for (std::uint64_t trial = 0; trial < 20 * soak_factor() / brevity + 1; ++trial) {
    const TableShape shape = shapes[trial % std::size(shapes)];
    INFO("trial ", trial);
    Random random(trial);
    auto store =
        make_store((shape.value_bytes > 1000 ? std::uint64_t{6} : std::uint64_t{2 + trial % 2}) << 20);
    const std::vector<Table> tables{{store->add_table(shape), shape}};
    std::vector<Model> models(1);
    Model& model = models[0];
    std::uint64_t next = 0;
    for (int round = 0; round < 2; ++round) {
      next = fill_up(*store, tables, models, next);
      std::vector<SharedSnapshot> held;  // every version from here on
      held.push_back(store->reads().acquire());
      const Model held_model = model;
      std::uint64_t erases = 0;
      for (; !model.empty() && store->has_room_to_erase(); ++erases) {
        if (erases % 7 == 6) {
          model.erase(model.begin(),
                      std::next(model.begin(), std::min<std::ptrdiff_t>(4, std::ssize(model))));
          store->erase_first(tables[0].index, 4);
          continue;
        }
        TestBound low{TestBound::inclusive, key_of(random.next())};
        TestBound high{random.chance(50) ? TestBound::inclusive : TestBound::exclusive, low.key};
        auto end = model.lower_bound(low.key);
        for (std::uint64_t i = random.below(random.chance(5) ? 100 : 12); i > 0 && end != model.end(); --i)
          ++end;
        if (end != model.end()) high.key = end->first;
        const auto range = range_of(model, low, high);
        model.erase(range.first, range.second);
        store->erase_range(tables[0].index, low.bound(), high.bound());
        if (random.chance(30) && store->has_room()) {  // an upsert in between, where there is room for that
          const Key key = key_of(mix(next));
          fill_value(store->upsert(tables[0].index, key.data()).value, shape.value_bytes, mix(next));
          model[key] = mix(next++);
        }
        if (random.chance(20)) continue;
        store->commit(0, {});
        held.push_back(store->reads().acquire());
      }
      CHECK(erases > 5);
      store->commit(0, {});
      expect(store->rows(tables[0].index) == model.size(), "a range erase took another number of rows");
      expect_equal(held[0]->snapshot(), tables[0].index, shape, held_model);
      expect_all(*store, tables, models);
      held.clear();
      store->reclaim_all();
      CHECK(store->has_room_to_erase());
    }
  }
}

TEST_CASE("growth: a wide range goes with the last room to erase that there is") {
  Random random(3);
  // Large leaves, so that it is them that run out: small blocks are there for version records too.
  for (const TableShape& shape : {TableShape{1, 8, 3, 3}, TableShape{1, 200, 16, 3},
                                  TableShape{2, 120, 12, 4}, TableShape{1, 256, 30, 3}}) {
    const std::uint64_t erases = use_up(shape, UINT64_MAX, {}, {});
    CHECK(erases > 10);
    for (std::uint64_t i = 0; i < 12 * soak_factor() / brevity + 1; ++i) {
      const std::uint64_t low = random.next() / 2;
      const std::uint64_t width = (UINT64_MAX / 2) >> random.below(10);
      CHECK(use_up(shape, erases - 1 - i % 3, key_of(low), key_of(low + width)) == erases - 1 - i % 3);
    }
  }
}

TEST_CASE("growth: a look ahead for room does not outlast the erases that use the room up") {
  auto store = make_store(std::uint64_t{8} << 20);
  const TableShape shape{1, 200, 3, 3};
  const TableIndex table = store->add_table(shape);
  std::uint64_t rows = 0;
  while (store->stats().live_bytes < (std::uint64_t{9} << 19)) {  // more than half of it: no two versions fit
    put(*store, table, key_of(2 * rows++), shape.value_bytes, 1);
    if (rows % 16 == 0) store->commit(0, {});
  }
  store->commit(0, {});
  store->reclaim_all();
  const SharedSnapshot held = store->reads().acquire();
  REQUIRE(store->has_room());
  std::uint64_t erased = 0;
  for (; erased < rows && store->has_room_to_erase(); erased += 3)  // one row of each leaf, which copies it
    expect(store->erase(table, key_of(2 * erased).data()), "erase misses a row");
  REQUIRE(erased < rows);
  for (std::uint64_t i = 1; i < 200 && store->has_room(); ++i)  // each into a leaf to copy
    fill_value(store->upsert(table, key_of(2 * (rows - 10 * i) + 1).data()).value, shape.value_bytes, 1);
  store->commit(0, {});
  CHECK(store->check() == "");
  CHECK(held->snapshot().rows(table) == rows);
}

TEST_CASE("growth: one version too large for the arena stays whole when committed in parts") {
  auto store = make_store(std::uint64_t{8} << 20);
  const std::vector<Table> tables{{store->add_table({1, 200, 0, 0}), {1, 200, 0, 0}}};
  std::vector<Model> models(1);
  std::uint64_t next = 0;
  for (; store->has_room(); ++next) {  // never a commit before it is full
    fill_value(store->upsert(tables[0].index, key_of(next).data()).value, 200, next);
    models[0][key_of(next)] = next;
  }
  CHECK(next > 1000);
  CHECK(store->published_version() == 0);
  store->commit(0, {});
  expect_all(*store, tables, models);
}

TEST_CASE("growth: an arena of an impossible size is refused with a reason") {
  for (const std::uint64_t arena_bytes : {std::uint64_t{0}, std::uint64_t{1000}, std::uint64_t{1} << 45}) {
    StoreOptions options;
    options.arena_bytes = arena_bytes;
    const auto store = Store::create(options);
    REQUIRE(!store);
    CHECK(!store.error().message.empty());
  }
}

TEST_CASE("growth: many stores, one after the other and together") {
  std::vector<std::unique_ptr<Store>> stores;
  for (int i = 0; i < 40; ++i) {
    stores.push_back(make_store(std::uint64_t{1} << 30));
    const TableIndex table = stores.back()->add_table({1, 8, 3, 3});
    for (std::uint64_t key = 0; key < 100; ++key) put(*stores.back(), table, key_of(key), 8, key);
    stores.back()->commit(0, {});
    if (stores.size() > 4) stores.erase(stores.begin());
  }
  for (const auto& store : stores) CHECK(store->check() == "");
}

TEST_CASE("growth: random erasing makes room in a full arena, though it empties no slab") {
  auto store = make_store(std::uint64_t{8} << 20);
  const TableIndex table = store->add_table({1, 32, 0, 0});
  Random random(5);
  std::vector<std::uint64_t> keys;
  const auto fill = [&] {
    while (store->has_room()) {
      keys.push_back(random.next());
      fill_value(store->upsert(table, &keys.back()).value, 32, keys.back());
      if (keys.size() % 64 == 0) store->commit(0, {});
    }
    store->commit(0, {});
  };
  fill();
  for (int times = 0; times < 5; ++times) {
    const std::size_t full = keys.size();
    while (keys.size() > full / 2) {
      std::swap(keys[random.below(keys.size())], keys.back());
      expect(store->has_room_to_erase(), "no room to erase");
      expect(store->erase(table, &keys.back()), "a row is missing");
      keys.pop_back();
      if (keys.size() % 64 == 0) store->commit(0, {});
    }
    // More sources than before: a larger version record.
    const std::vector<SourcePosition> positions(static_cast<std::size_t>(5 * times));
    store->commit(0, positions);
    const std::size_t left = keys.size();
    fill();
    CHECK(keys.size() > left + full / 4);
    REQUIRE(store->check() == "");
  }
}

}  // namespace growth_test
}  // namespace perch::tree::test
