// Reclamation by interval: a pin retains its own version and nothing more, and everything dropped comes back.
#include <algorithm>
#include <set>

#include "lock_step.hpp"

namespace perch::tree::test {

namespace reclamation_test {

constexpr TableShape shape{1, 32, 0, 0};

void fill(Store& store, TableIndex table, std::uint64_t rows) {
  for (std::uint64_t i = 0; i < rows; ++i) put(store, table, key_of(mix(i)), shape.value_bytes, i);
  store.commit(0, {});
  store.reclaim_all();
}

std::uint64_t used_bytes(const MemoryStats& stats) {
  return stats.live_bytes + stats.retained_bytes + stats.free_bytes;
}

std::uint64_t sum_of_bytes(const std::vector<RetainedVersion>& versions) {
  std::uint64_t sum = 0;
  for (const RetainedVersion& version : versions) sum += version.bytes;
  return sum;
}

void expect_checked(Store& store) {
  const std::string problem = store.check();
  expect(problem.empty(), problem);
}

TEST_CASE("reclamation: a stalled snapshot bounds memory at twice the live bytes and a constant") {
  auto store = make_store();
  const TableIndex table = store->add_table(shape);
  constexpr std::uint64_t rows = 20000;
  fill(*store, table, rows);
  const std::uint64_t live_bytes = store->stats().live_bytes;
  const SharedSnapshot stalled = store->reads().acquire();
  Random random(1);
  for (std::uint64_t i = 0; i < 400000 * soak_factor(); ++i) {
    put(*store, table, key_of(mix(random.below(rows))), shape.value_bytes, i);
    if (i % 64 != 0) continue;
    store->commit(0, {});
    expect(used_bytes(store->stats()) <= 2 * live_bytes + (std::uint64_t{4} << 20),
           "a stalled snapshot retains too much");
  }
  expect_checked(*store);
  CHECK(stalled->snapshot().rows(table) == rows);
  for (std::uint64_t i = 0; i < rows; ++i) {
    const std::byte* value = stalled->snapshot().get(table, key_of(mix(i)).data());
    expect(value && value_is(value, shape.value_bytes, i), "the stalled snapshot changed");
  }
}

TEST_CASE("reclamation: a second stalled snapshot adds its own version, not what lies between") {
  auto store = make_store();
  const TableIndex table = store->add_table(shape);
  constexpr std::uint64_t rows = 20000;
  fill(*store, table, rows);
  const std::uint64_t live_bytes = store->stats().live_bytes;
  std::vector<SharedSnapshot> stalled;
  Random random(2);
  for (std::uint64_t held = 1; held <= 4; ++held) {
    stalled.push_back(store->reads().acquire());
    for (std::uint64_t i = 0; i < 60000; ++i) {
      put(*store, table, key_of(mix(random.below(rows))), shape.value_bytes, i);
      if (i % 64 == 0) store->commit(0, {});
    }
    store->commit(0, {});
    store->reclaim_all();
    CHECK(store->stats().retained_bytes <= held * (live_bytes + (live_bytes >> 3)));
  }
  // In the order of the middle ones first: what hung on them alone is free.
  for (const std::size_t goes : {1, 2, 0, 3}) {
    const std::uint64_t before = store->stats().retained_bytes;
    stalled[goes].reset();
    store->reclaim_all();
    CHECK(store->stats().retained_bytes < before);
    expect_checked(*store);
  }
  CHECK(store->stats().retained_bytes == 0);
}

TEST_CASE("reclamation: nodes born and dropped between two held versions are free") {
  auto store = make_store();
  const TableIndex table = store->add_table(shape);
  fill(*store, table, 5000);
  const SharedSnapshot older = store->reads().acquire();
  // The same path is copied by each commit; the older snapshot sees only its first copy.
  auto update = [&](std::uint64_t times) {
    for (std::uint64_t i = 0; i < times; ++i) {
      put(*store, table, key_of(mix(17)), shape.value_bytes, i);
      store->commit(0, {});
    }
    store->reclaim_all();
    return store->stats().retained_bytes;
  };
  const std::uint64_t after_one = update(1);
  CHECK(after_one > 0);
  CHECK(update(1) == after_one);
  CHECK(update(200) == after_one);
  const SharedSnapshot newer = store->reads().acquire();
  const std::uint64_t after_two = update(1);
  CHECK(after_two > after_one);
  CHECK(after_two <= 2 * after_one);
  CHECK(update(200) == after_two);
  CHECK(newer->snapshot().version() > older->snapshot().version());
  expect_checked(*store);
}

TEST_CASE("reclamation: a version born while an older one is pinned goes when its own pin goes") {
  auto store = make_store();
  const TableIndex table = store->add_table(shape);
  fill(*store, table, 5000);
  const SharedSnapshot oldest = store->reads().acquire();
  put(*store, table, key_of(mix(17)), shape.value_bytes, 1);
  store->commit(0, {});
  store->reclaim_all();
  const std::uint64_t with_oldest = store->stats().retained_bytes;
  for (int i = 0; i < 50; ++i) {
    SharedSnapshot young = store->reads().acquire();
    for (std::uint64_t row = 0; row < 100; ++row) put(*store, table, key_of(mix(17)), shape.value_bytes, row);
    store->commit(0, {});
    young.reset();
    store->reclaim_all();
    expect(store->stats().retained_bytes == with_oldest, "the oldest pin retains what it does not see");
  }
}

TEST_CASE("reclamation: after every release all bytes are accounted for") {
  auto store = make_store();
  const TableIndex table = store->add_table(shape);
  const TableIndex other = store->add_table({8, 200, 3, 3});
  store->commit(0, {});
  store->reclaim_all();
  const MemoryStats empty = store->stats();
  std::vector<SharedSnapshot> held;
  Random random(4);
  for (int round = 0; round < 5; ++round) {
    for (std::uint64_t i = 0; i < 4000; ++i) {
      put(*store, table, key_of(random.below(3000)), shape.value_bytes, i);
      put(*store, other, key_of(random.below(500)), 200, i);
      if (random.chance(20)) store->erase(table, key_of(random.below(3000)).data());
      if (i % 100 == 0) store->commit(0, {});
      if (i % 400 == 0) held.push_back(store->reads().acquire());
      if (held.size() > 6) held.erase(held.begin() + static_cast<std::ptrdiff_t>(random.below(6)));
    }
    expect_checked(*store);
  }
  held.clear();
  for (std::uint64_t i = 0; i < 3000; ++i) {
    store->erase(table, key_of(i).data());
    store->erase(other, key_of(i).data());
  }
  store->commit(0, {});
  store->reclaim_all();
  expect_checked(*store);
  const MemoryStats drained = store->stats();
  CHECK(drained.retained_bytes == 0);
  CHECK(drained.live_bytes == empty.live_bytes);
  CHECK(used_bytes(drained) <= drained.committed_bytes);
  CHECK(drained.committed_bytes <= drained.reserved_bytes);
  CHECK(store->retained_versions().empty());
}

TEST_CASE("reclamation: retained versions name the pins and what hangs on each") {
  auto store = make_store();
  const TableIndex table = store->add_table(shape);
  fill(*store, table, 5000);
  std::vector<SharedSnapshot> held;
  std::set<Version> versions;
  Random random(5);
  for (int i = 0; i < 5; ++i) {
    held.push_back(store->reads().acquire());
    versions.insert(held.back()->snapshot().version());
    for (std::uint64_t row = 0; row < 200; ++row)
      put(*store, table, key_of(mix(random.below(5000))), shape.value_bytes, row);
    store->commit(0, {});
  }
  store->reclaim_all();
  const std::vector<RetainedVersion> retained = store->retained_versions();
  CHECK(retained.size() == versions.size());
  for (const RetainedVersion& version : retained) {
    CHECK(versions.contains(version.version));
    CHECK(version.bytes > 0);
  }
  CHECK(sum_of_bytes(retained) == store->stats().retained_bytes);
  CHECK(std::is_sorted(retained.begin(), retained.end(),
                       [](const auto& left, const auto& right) { return left.version < right.version; }));
  while (!held.empty()) {  // the newest go first: what the older ones see as well stays
    const Version gone = held.back()->snapshot().version();
    held.pop_back();
    store->reclaim_all();
    for (const RetainedVersion& version : store->retained_versions()) CHECK(version.version != gone);
    CHECK(sum_of_bytes(store->retained_versions()) == store->stats().retained_bytes);
  }
  CHECK(store->stats().retained_bytes == 0);
}

TEST_CASE("reclamation: a big release is worked off a piece per commit, and all of it") {
  auto store = make_store();
  const TableIndex table = store->add_table(shape);
  constexpr std::uint64_t rows = 300000;
  fill(*store, table, rows);
  SharedSnapshot held = store->reads().acquire();
  for (std::uint64_t i = 0; i < rows; ++i) {
    put(*store, table, key_of(mix(i)), shape.value_bytes, i + 1);
    if (i % 64 == 0) store->commit(0, {});
  }
  store->commit(0, {});
  store->reclaim_all();
  const std::uint64_t at_first = store->stats().retained_bytes;
  held.reset();
  std::uint64_t before = at_first;
  std::uint64_t largest_piece = 0;
  // An idle commit drops a version record: the last few hover until there are enough for a look.
  constexpr std::uint64_t records_bytes_max = 1024 * 512;
  for (std::uint64_t commits = 0; before > records_bytes_max; ++commits) {
    REQUIRE(commits < 10000);
    store->commit(0, {});
    const std::uint64_t now = store->stats().retained_bytes;
    if (now < before) largest_piece = std::max(largest_piece, before - now);
    before = now;
  }
  CHECK(largest_piece > 0);
  CHECK(largest_piece < at_first / 4);
  store->reclaim_all();
  CHECK(store->stats().retained_bytes == 0);
  expect_checked(*store);
}

TEST_CASE("reclamation: what a version dropped is not retained by a pin of that version") {
  auto store = make_store();
  const TableIndex table = store->add_table(shape);
  fill(*store, table, 5000);
  put(*store, table, key_of(mix(17)), shape.value_bytes, 1);
  store->commit(0, {});
  const SharedSnapshot pinned = store->reads().acquire();
  store->reclaim_all();
  CHECK(store->stats().retained_bytes == 0);
}

TEST_CASE("reclamation: keeps up with a writer that drops much in each commit") {
  auto store = make_store();
  const TableIndex table = store->add_table(shape);
  constexpr std::uint64_t rows = 50000;
  fill(*store, table, rows);
  const std::uint64_t live_bytes = store->stats().live_bytes;
  for (std::uint64_t round = 0; round < 10; ++round) {  // every leaf is copied in each commit
    for (std::uint64_t i = 0; i < rows; i += 8) put(*store, table, key_of(mix(i)), shape.value_bytes, round);
    store->commit(0, {});
    expect(used_bytes(store->stats()) <= 3 * live_bytes + (std::uint64_t{4} << 20),
           "reclamation lags behind");
  }
}

TEST_CASE("reclamation: a stale pin, released and taken again, moves on") {
  auto store = make_store();
  const TableIndex table = store->add_table(shape);
  fill(*store, table, 1000);
  PinSlot slot = store->reads().claim_slot();
  slot.pin();
  std::uint64_t highest = 0;
  for (std::uint64_t i = 0; i < 5000; ++i) {
    put(*store, table, key_of(mix(i % 1000)), shape.value_bytes, i);
    store->commit(0, {});
    if (i % 10 == 0) slot.pin();
    highest = std::max(highest, store->stats().retained_bytes);
  }
  CHECK(highest <= 2 * store->stats().live_bytes + (std::uint64_t{1} << 20));  // in all it was 8 MiB
  slot.unpin();
  store->reclaim_all();
  CHECK(store->stats().retained_bytes == 0);
}

TEST_CASE("reclamation: nodes born and dropped within one version are free at once") {
  auto store = make_store();
  const TableIndex table = store->add_table({1, 32, 3, 3});
  store->commit(0, {});
  for (std::uint64_t i = 0; i < 2000; ++i) put(*store, table, key_of(i), 32, i);
  for (std::uint64_t i = 0; i < 2000; ++i) store->erase(table, key_of(i).data());
  store->commit(0, {});
  CHECK(store->stats().retained_bytes <= 4096);  // version records at most
  expect_checked(*store);
}

TEST_CASE("reclamation: random pins over random versions never retain a node that none of them sees") {
  for (std::uint64_t seed = 1; seed <= 6 * soak_factor(); ++seed) {
    INFO("seed ", seed);
    auto store = make_store();
    const TableShape small{1, 32, 3, 3};
    const TableIndex table = store->add_table(small);
    Random random(seed);
    std::vector<SharedSnapshot> held;
    for (int step = 0; step < 3000; ++step) {
      const Key key = key_of(random.below(100));
      if (random.chance(55))
        put(*store, table, key, 32, random.next());
      else
        store->erase(table, key.data());
      if (random.chance(30)) {
        store->commit(0, {});
        if (random.chance(30) && held.size() < 10) held.push_back(store->reads().acquire());
        if (random.chance(30) && !held.empty())
          held.erase(held.begin() + static_cast<std::ptrdiff_t>(random.below(held.size())));
      }
      if (step % 10 == 0) expect_checked(*store);
      if (step % 100 != 0) continue;
      store->commit(0, {});
      store->reclaim_all();
      // Each held version has at most 100 rows: 100 leaves, as many inner nodes, a record.
      const std::uint64_t version_bytes_max = 100 * 192 + 100 * 64 + 64;
      expect(store->stats().retained_bytes <= held.size() * version_bytes_max,
             "more is retained than is seen");
      if (held.empty()) expect(store->stats().retained_bytes == 0, "something is retained without a pin");
    }
  }
}

}  // namespace reclamation_test
}  // namespace perch::tree::test
