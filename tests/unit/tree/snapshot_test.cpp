// Snapshots: what a version shows, and that it goes on showing it.
#include "lock_step.hpp"

namespace perch::tree::test {

namespace {
constexpr TableShape shape{1, 8, 3, 3};
}

TEST_CASE("snapshot: version 0 is empty and needs no pin") {
  const Snapshot nothing;
  const Key key = key_of(1);
  CHECK(nothing.version() == 0);
  CHECK(nothing.commit_time_ns() == 0);
  CHECK(nothing.rows(0) == 0);
  CHECK(nothing.positions().empty());
  CHECK(nothing.get(0, key.data()) == nullptr);
}

TEST_CASE("snapshot: before the first commit a pin sees version 0") {
  auto store = make_store();
  const TableIndex table = store->add_table(shape);
  put(*store, table, key_of(1), shape.value_bytes, 1);
  CHECK(store->published_version() == 0);
  CHECK(store->reads().published_version() == 0);
  PinSlot slot = store->reads().claim_slot();
  const Snapshot snapshot = slot.pin();
  CHECK(snapshot.version() == 0);
  CHECK(snapshot.rows(table) == 0);
  CHECK(snapshot.get(table, key_of(1).data()) == nullptr);
  Cursor cursor(snapshot, table);
  CHECK(cursor.next().count == 0);
  const SharedSnapshot shared = store->reads().acquire();
  store->commit(0, {});
  CHECK(shared->snapshot().version() == 0);
  CHECK(shared->snapshot().get(table, key_of(1).data()) == nullptr);
  CHECK(slot.pin().version() == 1);
}

TEST_CASE("snapshot: carries version, commit time, positions and row counts") {
  auto store = make_store();
  const TableIndex table = store->add_table(shape);
  for (std::uint64_t version = 1; version <= 20; ++version) {
    put(*store, table, key_of(version), shape.value_bytes, version);
    std::vector<SourcePosition> positions;
    for (std::uint64_t source = 0; source < version % 4; ++source)
      positions.push_back({version, source, version + source});
    CHECK(store->commit(-static_cast<std::int64_t>(version), positions) == version);
    const SharedSnapshot snapshot = store->reads().acquire();
    CHECK(snapshot->snapshot().version() == version);
    CHECK(snapshot->snapshot().commit_time_ns() == -static_cast<std::int64_t>(version));
    CHECK(snapshot->snapshot().rows(table) == version);
    REQUIRE(snapshot->snapshot().positions().size() == positions.size());
    for (std::uint64_t source = 0; source < positions.size(); ++source) {
      CHECK(snapshot->snapshot().positions()[source].bytes == version);
      CHECK(snapshot->snapshot().positions()[source].rows == source);
      CHECK(snapshot->snapshot().positions()[source].restarts == version + source);
    }
  }
}

TEST_CASE("snapshot: the most tables and sources there may be") {
  auto store = make_store();
  std::vector<TableIndex> tables;
  for (std::uint32_t i = 0; i < tables_max; ++i) tables.push_back(store->add_table(shape));
  const std::vector<SourcePosition> positions(sources_max, SourcePosition{1, 2, 3});
  for (std::uint64_t round = 0; round < 3; ++round) {
    for (const TableIndex table : tables) put(*store, table, key_of(round), shape.value_bytes, table);
    store->commit(0, positions);
    const SharedSnapshot snapshot = store->reads().acquire();
    CHECK(snapshot->snapshot().positions().size() == sources_max);
    CHECK(snapshot->snapshot().positions().back().restarts == 3);
    for (const TableIndex table : tables) {
      expect(snapshot->snapshot().rows(table) == round + 1, "a table's commit is missing");
      const std::byte* value = snapshot->snapshot().get(table, key_of(round).data());
      expect(value && value_is(value, shape.value_bytes, table), "a table's row is missing");
    }
  }
  CHECK(store->check() == "");
}

TEST_CASE("snapshot: tables of one commit become visible together") {
  auto store = make_store();
  const TableIndex left = store->add_table(shape);
  const TableIndex right = store->add_table({2, 200, 4, 4});
  PinSlot slot = store->reads().claim_slot();
  for (std::uint64_t i = 0; i < 200; ++i) {
    put(*store, left, key_of(i), 8, i);
    CHECK(slot.pin().rows(left) == i);  // not before the commit
    put(*store, right, key_of(i), 200, i);
    store->commit(0, {});
    const Snapshot snapshot = slot.pin();
    CHECK(snapshot.rows(left) == i + 1);
    CHECK(snapshot.rows(right) == i + 1);
  }
}

TEST_CASE("snapshot: a table added later is empty in older versions") {
  auto store = make_store();
  const TableIndex first = store->add_table(shape);
  put(*store, first, key_of(1), 8, 1);
  store->commit(0, {});
  const SharedSnapshot before = store->reads().acquire();
  const TableShape later_shape{2, 32, 4, 4};
  const TableIndex later = store->add_table(later_shape);
  CHECK(later != first);
  Model model;
  for (std::uint64_t i = 0; i < 50; ++i) {
    put(*store, later, key_of(i), 32, i);
    model[key_of(i)] = i;
  }
  CHECK(store->reads().acquire()->snapshot().rows(later) == 0);
  store->commit(0, {});
  const SharedSnapshot after = store->reads().acquire();
  expect_equal(after->snapshot(), later, later_shape, model);
  expect_equal(before->snapshot(), later, later_shape, {});
  expect_diff(before->snapshot(), {}, after->snapshot(), model, later, later_shape);
  expect_diff(after->snapshot(), model, before->snapshot(), {}, later, later_shape);
  CHECK(before->snapshot().get(later, key_of(1).data()) == nullptr);
  CHECK(before->snapshot().rows(first) == 1);
}

TEST_CASE("snapshot: never changes while the writer goes on") {
  for (const std::uint32_t fan_out : {3U, 0U}) {
    LockStep lock_step(fan_out + 1, {{{1, 32, fan_out, fan_out}, KeyKind::random, 2000}});
    for (int version = 0; version < 12; ++version) {
      for (int i = 0; i < 1500; ++i) {
        const Key key = lock_step.random_key(0);
        lock_step.random().chance(version % 4 == 3 ? 10 : 70) ? lock_step.upsert(0, key)
                                                              : lock_step.erase(0, key);
        if (i % 10 == 0) lock_step.commit();
      }
      lock_step.hold();
      lock_step.compare_held();
      lock_step.compare_held();
    }
    lock_step.release_all();
  }
}

TEST_CASE("snapshot: a commit without changes publishes the same rows") {
  auto store = make_store();
  const TableIndex table = store->add_table(shape);
  put(*store, table, key_of(4), 8, 4);
  store->commit(1, {});
  PinSlot slot = store->reads().claim_slot();
  const std::byte* value = slot.pin().get(table, key_of(4).data());
  for (int i = 0; i < 1000; ++i) store->commit(2, {});
  CHECK(store->published_version() == 1001);
  PinSlot other = store->reads().claim_slot();
  const Snapshot snapshot = other.pin();
  CHECK(snapshot.version() == 1001);
  CHECK(snapshot.commit_time_ns() == 2);
  CHECK(snapshot.get(table, key_of(4).data()) == value);  // nothing was copied
  CHECK(store->check() == "");
}

TEST_CASE("snapshot: slots move, are reused and never run out") {
  auto store = make_store();
  const TableIndex table = store->add_table(shape);
  std::vector<PinSlot> slots;
  std::vector<Snapshot> snapshots;
  for (std::uint64_t i = 0; i < 300; ++i) {
    put(*store, table, key_of(i), 8, i);
    store->commit(0, {});
    slots.push_back(store->reads().claim_slot());  // moves the others as the vector grows
    snapshots.push_back(slots.back().pin());
  }
  for (std::uint64_t i = 0; i < 300; ++i) {
    CHECK(snapshots[i].version() == i + 1);
    CHECK(snapshots[i].rows(table) == i + 1);
    CHECK(snapshots[i].get(table, key_of(i).data()) != nullptr);
    CHECK(snapshots[i].get(table, key_of(i + 1).data()) == nullptr);
  }
  std::vector<std::uint64_t> words;
  REQUIRE(store->reads().scan(words));
  CHECK(words.size() == 300);
  slots[0].unpin();
  slots[0].unpin();
  slots[1] = store->reads().claim_slot();  // gives the old one back
  slots[2] = std::move(slots[3]);
  words.clear();
  REQUIRE(store->reads().scan(words));
  CHECK(words.size() == 297);
  CHECK(snapshots[3].rows(table) == 4);
  slots.clear();
  words.clear();
  REQUIRE(store->reads().scan(words));
  CHECK(words.empty());
}

TEST_CASE("snapshot: the last copy of a shared snapshot gives the pin back") {
  auto store = make_store();
  store->commit(0, {});
  std::vector<std::uint64_t> words;
  SharedSnapshot first = store->reads().acquire();
  SharedSnapshot second = first;
  first.reset();
  REQUIRE(store->reads().scan(words));
  CHECK(words.size() == 1);
  SharedSnapshot third = std::move(second);
  CHECK(second == nullptr);
  second = third;
  third = store->reads().acquire();  // the same version in a slot of its own
  words.clear();
  REQUIRE(store->reads().scan(words));
  CHECK(words.size() == 2);
  third = second;
  third = *&third;
  second = nullptr;
  words.clear();
  REQUIRE(store->reads().scan(words));
  CHECK(words.size() == 1);
  third.reset();
  words.clear();
  REQUIRE(store->reads().scan(words));
  CHECK(words.empty());
}

}  // namespace perch::tree::test
