// Diffs of two versions, against the difference of two maps.
#include <sys/mman.h>

#include <fstream>

#include "lock_step.hpp"

namespace perch::tree::test {

namespace diff_test {

struct Counts {
  std::size_t inserted = 0, updated = 0, removed = 0;
};

Counts count(Diff diff) {
  Counts counts;
  for (Change change{}; diff.next(change);) {
    counts.inserted += change.kind == ChangeKind::inserted;
    counts.updated += change.kind == ChangeKind::updated;
    counts.removed += change.kind == ChangeKind::removed;
  }
  return counts;
}

void fill(Store& store, TableIndex table, const TableShape& shape, Model& model, std::uint64_t rows) {
  for (std::uint64_t i = 0; i < rows; ++i) {
    const Key key = key_of(i * 2);
    put(store, table, key, shape.value_bytes, i);
    model[key] = i;
  }
}

/// How much of the mapping that begins at `base` this process has touched since forget_touched.
std::uint64_t touched_bytes(const std::byte* base) {
  std::ifstream maps("/proc/self/smaps");
  bool inside = false;
  for (std::string line; std::getline(maps, line);) {
    std::uint64_t begin = 0, end = 0, kib = 0;
    if (std::sscanf(line.c_str(), "%lx-%lx ", &begin, &end) == 2) {
      const auto address = reinterpret_cast<std::uintptr_t>(base);
      inside = begin <= address && address < end;
    } else if (inside && std::sscanf(line.c_str(), "Rss: %lu kB", &kib) == 1) {
      return kib * 1024;
    }
  }
  FAIL("the arena is not in /proc/self/smaps");
  return 0;
}

/// Drops this process's page table entries of the mapping; the memory itself is shared and stays.
void forget_touched(const std::byte* base, std::uint64_t bytes) {
  REQUIRE(madvise(const_cast<std::byte*>(base), bytes, MADV_DONTNEED) == 0);
}

TEST_CASE("diff: a version against itself is empty") {
  auto store = make_store();
  const TableShape shape{1, 8, 3, 3};
  const TableIndex table = store->add_table(shape);
  Model model;
  fill(*store, table, shape, model, 100);
  store->commit(0, {});
  const SharedSnapshot snapshot = store->reads().acquire();
  expect_diff(snapshot->snapshot(), model, snapshot->snapshot(), model, table, shape);
}

TEST_CASE("diff: from version 0 every row is inserted, back to it every row is removed") {
  auto store = make_store();
  const TableShape shape{1, 8, 3, 3};
  const TableIndex table = store->add_table(shape);
  Model model;
  fill(*store, table, shape, model, 100);
  store->commit(0, {});
  const SharedSnapshot snapshot = store->reads().acquire();
  expect_diff(Snapshot{}, {}, snapshot->snapshot(), model, table, shape);
  expect_diff(snapshot->snapshot(), model, Snapshot{}, {}, table, shape);
  expect_diff(Snapshot{}, {}, Snapshot{}, {}, table, shape);
  CHECK(count(Diff{}).inserted == 0);
}

TEST_CASE("diff: trees of every pair of heights") {
  auto store = make_store();
  const TableShape shape{1, 8, 3, 3};
  const TableIndex table = store->add_table(shape);
  std::vector<std::pair<SharedSnapshot, Model>> versions;
  Model model;
  for (const std::uint64_t rows : {0, 1, 3, 4, 10, 30, 100, 300}) {
    fill(*store, table, shape, model, rows);
    store->commit(0, {});
    versions.emplace_back(store->reads().acquire(), model);
  }
  Random random(3);
  while (!model.empty()) {  // and smaller again, through other shapes
    for (std::size_t i = 0; i < 40 && !model.empty(); ++i) {
      const Key key = std::next(model.begin(), random.below(model.size()))->first;
      expect(store->erase(table, key.data()), "erase misses a row");
      model.erase(key);
    }
    store->commit(0, {});
    versions.emplace_back(store->reads().acquire(), model);
  }
  for (const auto& [previous, previous_model] : versions)
    for (const auto& [current, current_model] : versions)
      expect_diff(previous->snapshot(), previous_model, current->snapshot(), current_model, table, shape);
}

TEST_CASE("diff: each single change in a tree of four levels") {
  auto store = make_store();
  const TableShape shape{1, 8, 3, 3};
  const TableIndex table = store->add_table(shape);
  Model model;
  fill(*store, table, shape, model, 60);
  store->commit(0, {});
  const SharedSnapshot before = store->reads().acquire();
  const Model before_model = model;
  for (std::uint64_t word = 0; word <= 121; ++word) {
    const Key key = key_of(word);
    const bool there = model.contains(key);
    if (there && word % 4 == 0) {
      expect(store->erase(table, key.data()), "erase misses a row");
      model.erase(key);
    } else {
      put(*store, table, key, shape.value_bytes, 1000 + word);
      model[key] = 1000 + word;
    }
    store->commit(0, {});
    const SharedSnapshot after = store->reads().acquire();
    expect_diff(before->snapshot(), before_model, after->snapshot(), model, table, shape);
    expect_diff(after->snapshot(), model, before->snapshot(), before_model, table, shape);
  }
}

TEST_CASE("diff: touches what changed, not the whole table") {
  constexpr std::uint64_t arena_bytes = std::uint64_t{256} << 20;
  auto store = make_store(arena_bytes, false);  // huge pages would be touched as a whole
  const TableShape shape{1, 200, 0, 0};
  const TableIndex table = store->add_table(shape);
  for (std::uint64_t i = 0; i < 200000; ++i) put(*store, table, key_of(i), shape.value_bytes, i);
  store->commit(0, {});
  const SharedSnapshot before = store->reads().acquire();
  put(*store, table, key_of(100000), shape.value_bytes, 1);
  store->erase(table, key_of(150000).data());
  store->commit(0, {});
  const SharedSnapshot after = store->reads().acquire();
  const std::byte* base = after->snapshot().base();

  forget_touched(base, arena_bytes);
  const Counts counts = count(Diff(before->snapshot(), after->snapshot(), table, shape.value_bytes));
  CHECK(counts.updated == 1);
  CHECK(counts.removed == 1);
  const std::uint64_t by_diff = touched_bytes(base);
  forget_touched(base, arena_bytes);
  CHECK(count(Diff(Snapshot{}, after->snapshot(), table, shape.value_bytes)).inserted == 199999);
  // The kernel maps 16 pages around each fault, so the few nodes of the diff show as some hundred KiB.
  CHECK(by_diff * 10 < touched_bytes(base));
}

TEST_CASE("diff: rows written without a change of value are no changes") {
  auto store = make_store();
  const TableShape shape{1, 32, 3, 3};
  const TableIndex table = store->add_table(shape);
  Model model;
  fill(*store, table, shape, model, 60);
  store->commit(0, {});
  const SharedSnapshot before = store->reads().acquire();
  for (const auto& [key, stamp] : model) put(*store, table, key, shape.value_bytes, stamp);
  const Key passing = key_of(1);  // comes and goes within one version
  put(*store, table, passing, shape.value_bytes, 9);
  store->erase(table, passing.data());
  const Key back = key_of(2);  // goes and comes
  store->erase(table, back.data());
  put(*store, table, back, shape.value_bytes, model[back]);
  store->commit(0, {});
  const SharedSnapshot after = store->reads().acquire();
  expect_diff(before->snapshot(), model, after->snapshot(), model, table, shape);
}

TEST_CASE("diff: only the compared bytes decide what is an update") {
  auto store = make_store();
  const TableShape shape{1, 24, 3, 3};
  const TableIndex table = store->add_table(shape);
  for (std::uint64_t i = 0; i < 50; ++i) put(*store, table, key_of(i), shape.value_bytes, 1);
  store->commit(0, {});
  const SharedSnapshot before = store->reads().acquire();
  for (std::uint64_t i = 0; i < 50; ++i) {  // row i changes in byte i % 24 only
    const Key key = key_of(i);
    expect(store->has_room(), "the arena is full");
    store->upsert(table, key.data()).value[i % 24] ^= std::byte{0x80};
  }
  store->commit(0, {});
  const SharedSnapshot after = store->reads().acquire();
  for (std::uint32_t compared_bytes = 0; compared_bytes <= 24; ++compared_bytes) {
    std::size_t expected = 0;
    for (std::uint64_t i = 0; i < 50; ++i) expected += i % 24 < compared_bytes;
    const Counts counts = count(Diff(before->snapshot(), after->snapshot(), table, compared_bytes));
    CHECK(counts.updated == expected);
    CHECK(counts.inserted + counts.removed == 0);
  }
}

TEST_CASE("diff: a copy goes on from where the original was") {
  auto store = make_store();
  const TableShape shape{1, 8, 3, 3};
  const TableIndex table = store->add_table(shape);
  Model model;
  fill(*store, table, shape, model, 60);
  store->commit(0, {});
  const SharedSnapshot snapshot = store->reads().acquire();
  Diff original(Snapshot{}, snapshot->snapshot(), table, shape.value_bytes);
  for (std::uint64_t i = 0; i < 60; ++i) {
    Diff copy = original;
    Change change{};
    REQUIRE(copy.next(change));
    CHECK(change.key[0] == i * 2);
    REQUIRE(original.next(change));
    CHECK(change.key[0] == i * 2);
  }
}

TEST_CASE("diff: random versions of random trees, both ways") {
  for (const auto& [key_words, fan_out] : {std::pair(1U, 3U), std::pair(2U, 4U), std::pair(8U, 0U)}) {
    for (const KeyKind keys : {KeyKind::random, KeyKind::sequential, KeyKind::clustered, KeyKind::edges}) {
      INFO("key_words ", key_words, ", fan-out ", fan_out, ", keys ", static_cast<int>(keys));
      LockStep lock_step(key_words * 10 + static_cast<std::uint64_t>(keys),
                         {{{key_words, 8, fan_out, fan_out}, keys, 500}});
      for (std::uint64_t round = 0; round < 60 * soak_factor(); ++round) {
        const std::uint64_t steps = lock_step.random().below(round % 5 == 0 ? 300 : 20);
        for (std::uint64_t i = 0; i < steps; ++i) {
          const Key key = lock_step.random_key(0);
          round / 15 % 2 ? lock_step.erase(0, key) : lock_step.upsert(0, key);
        }
        lock_step.hold();
        lock_step.diff_held();
        lock_step.diff_held();
        if (round > 8) lock_step.release_one();
      }
      lock_step.release_all();
    }
  }
}

}  // namespace diff_test
}  // namespace perch::tree::test
