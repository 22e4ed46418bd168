// The reading functions of perch_host, called as a plugin calls them.
#include "reading/snapshot_access.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <map>
#include <random>

#include "plugin/manifest.hpp"
#include "tree/pins.hpp"
#include "unit/test_rows.hpp"

namespace perch::reading {

using namespace perch::test;
using plugin::Manifest;

namespace snapshot_access_test {

struct PairKey {
  char name[8];
  std::int32_t number;
};

/// A store with rows in both tables, and a snapshot of them as a plugin sees it: table 0 is pairs, table 1
/// rows.
class PluginView {
 public:
  PluginView() : tables_(plugin::bound_tables(manifest(), catalog_), "test"), writer_(*store_, catalog_) {
    reading::fill_snapshot_functions(host);
    snapshot.tables = &tables_;
  }

  void put(const char* name, std::int32_t number, double price) {
    PairKey key{};
    std::memcpy(key.name, name, std::strlen(name));
    key.number = number;
    std::uint64_t words[tree::key_words_max];
    REQUIRE(catalog_.tables()[1]->codec().encode(reinterpret_cast<const std::byte*>(&key), words));
    REQUIRE(writer_.tables().has_room());
    writer_.tables().upsert(1, words, reinterpret_cast<const std::byte*>(&price));
  }
  RowWriter& rows() { return writer_; }
  /// Commits and shows the new version.
  void commit() {
    writer_.commit();
    pins_.push_back(store_->reads().acquire());
    snapshot.view = pins_.back()->snapshot();
  }

  /// What a scan finds, as "a1 a2 b1".
  std::string scan(const perch_range* range, std::uint32_t rows_at_once = 3) {
    perch_cursor cursor;
    REQUIRE(host.scan_open(&snapshot, 0, range, &cursor) == PERCH_OK);
    std::string found;
    std::vector<PairKey> keys(rows_at_once);
    perch_run run{};
    run.struct_size = sizeof run;
    while (const std::uint32_t count = host.scan_next(&cursor, keys.data(), rows_at_once, &run)) {
      REQUIRE(count == run.count);
      REQUIRE(count <= rows_at_once);
      for (std::uint32_t i = 0; i < count; ++i) {
        double price = 0;
        std::memcpy(&price, static_cast<const char*>(run.values) + i * run.value_stride, sizeof price);
        CHECK(price == keys[i].number * 1.5);
        found += (found.empty() ? "" : " ") + std::string(keys[i].name) + std::to_string(keys[i].number);
      }
    }
    return found;
  }

  perch_host host{};
  perch_snapshot snapshot;

 private:
  static Manifest manifest() {
    Manifest manifest;
    manifest.tables = {{"pairs", "", ""}, {"rows", "", ""}};
    return manifest;
  }

  tables::Catalog catalog_ = test_catalog();
  std::unique_ptr<tree::Store> store_ = tree::Store::create({std::uint64_t{64} << 20}).value();
  reading::BoundTables tables_;
  RowWriter writer_;
  std::vector<tree::SharedSnapshot> pins_;
};

perch_range range_of(const PairKey* from, std::uint32_t from_fields, const PairKey* to,
                     std::uint32_t to_fields) {
  perch_range range{};
  range.struct_size = sizeof range;
  range.from = from;
  range.from_fields = from_fields;
  range.to = to;
  range.to_fields = to_fields;
  return range;
}

void fill(PluginView& view) {
  for (const char* name : {"a", "b", "c"}) {
    for (std::int32_t number : {-1, 0, 1}) view.put(name, number, number * 1.5);
  }
  view.commit();
}

TEST_CASE("a scan without a range finds all rows in order, in runs of any length") {
  PluginView view;
  fill(view);
  for (const std::uint32_t rows_at_once : {1u, 2u, 100u}) {
    CHECK(view.scan(nullptr, rows_at_once) == "a-1 a0 a1 b-1 b0 b1 c-1 c0 c1");
  }
}

TEST_CASE("bounds may be part of a key, inclusive or exclusive, either way") {
  PluginView view;
  fill(view);
  const PairKey a{"a", 0}, b{"b", 0}, b1{"b", 1};
  CHECK(view.scan(&(const perch_range&)range_of(&b, 1, &b, 1)) == "b-1 b0 b1");
  perch_range range = range_of(&a, 1, &b, 2);
  CHECK(view.scan(&range) == "a-1 a0 a1 b-1 b0");
  range.from_exclusive = 1;
  CHECK(view.scan(&range) == "b-1 b0");
  range.to_exclusive = 1;
  CHECK(view.scan(&range) == "b-1");
  range = range_of(nullptr, 0, &b, 1);
  range.to_exclusive = 1;
  range.reverse = 1;
  CHECK(view.scan(&range) == "a1 a0 a-1");
  range = range_of(&b1, 2, nullptr, 0);
  CHECK(view.scan(&range) == "b1 c-1 c0 c1");
  range.from_exclusive = 1;
  CHECK(view.scan(&range) == "c-1 c0 c1");
  range = range_of(&b1, 2, &a, 1);
  CHECK(view.scan(&range) == "");
}

TEST_CASE("get finds values in place, and nothing where there is nothing") {
  PluginView view;
  fill(view);
  const PairKey here{"b", 1}, away{"b", 2};
  const void* const value = view.host.get(&view.snapshot, 0, &here);
  REQUIRE(value != nullptr);
  CHECK(*static_cast<const double*>(value) == 1.5);
  CHECK(view.host.get(&view.snapshot, 0, &away) == nullptr);
  CHECK(view.host.get(&view.snapshot, 0, nullptr) == nullptr);
  CHECK(view.host.table_rows(&view.snapshot, 0) == 9);
  CHECK(view.host.table_rows(&view.snapshot, 1) == 0);
  CHECK(view.host.snapshot_version(&view.snapshot) == 1);
  CHECK(view.host.snapshot_time_ns(&view.snapshot) == 1'000);
}

TEST_CASE("get_many finds what get finds, in groups of any size") {
  PluginView view;
  fill(view);
  for (std::uint64_t id = 0; id < 300; ++id) view.rows().put(id * 3, static_cast<std::int64_t>(id));
  view.commit();
  std::mt19937 random(5);
  for (const std::size_t count : {0, 1, 15, 16, 63, 64, 65, 200}) {
    std::vector<std::uint64_t> ids(count);
    std::vector<PairKey> pairs(count);
    for (std::size_t i = 0; i < count; ++i) {
      ids[i] = random() % 1000;
      pairs[i] = {{static_cast<char>('a' + random() % 4)}, static_cast<std::int32_t>(random() % 4) - 2};
    }
    std::vector<const void*> rows(count + 1, &view);  // one more than asked for: stays as it is
    view.host.get_many(&view.snapshot, 1, ids.data(), count, rows.data());
    for (std::size_t i = 0; i < count; ++i) CHECK(rows[i] == view.host.get(&view.snapshot, 1, &ids[i]));
    CHECK(rows[count] == &view);
    view.host.get_many(&view.snapshot, 0, pairs.data(), count, rows.data());
    for (std::size_t i = 0; i < count; ++i) CHECK(rows[i] == view.host.get(&view.snapshot, 0, &pairs[i]));
    CHECK(rows[count] == &view);
  }
}

TEST_CASE("get_many finds nothing for a key that is NaN, and all the others") {
  const tables::Catalog catalog =
      tables::Catalog::make({{"levels", {{"level", "float64"}}, {{"amount", "int64"}}, {}}}).value();
  const auto store = tree::Store::create({std::uint64_t{64} << 20}).value();
  tables::TableWriter writer(*store, catalog);
  const std::int64_t amount = 7;
  for (const double level : {0.0, 1.5, 2.5}) {
    std::uint64_t word;
    REQUIRE(catalog.tables()[0]->codec().encode(reinterpret_cast<const std::byte*>(&level), &word));
    REQUIRE(writer.has_room());
    writer.upsert(0, &word, reinterpret_cast<const std::byte*>(&amount));
  }
  writer.commit(1'000, {});
  plugin::Manifest manifest;
  manifest.tables = {{"levels", "", ""}};
  const reading::BoundTables tables(plugin::bound_tables(manifest, catalog), "test");
  const tree::SharedSnapshot pin = store->reads().acquire();
  const perch_snapshot snapshot{pin->snapshot(), &tables};
  perch_host host{};
  reading::fill_snapshot_functions(host);

  std::vector<double> levels(200, 1.5);  // several groups: what one left behind must not answer for the next
  levels[1] = levels[65] = levels[199] = std::numeric_limits<double>::quiet_NaN();
  levels[2] = levels[66] = 2.0;
  levels[3] = levels[67] = -0.0;
  std::vector<const void*> values(levels.size());
  host.get_many(&snapshot, 0, levels.data(), levels.size(), values.data());
  for (std::size_t i = 0; i < levels.size(); ++i) {
    CHECK(values[i] == host.get(&snapshot, 0, &levels[i]));
    CHECK((values[i] == nullptr) == (levels[i] == 2.0 || levels[i] != levels[i]));
  }
}

TEST_CASE("what breaks the rules fails and touches nothing") {
  PluginView view;
  fill(view);
  perch_cursor cursor;
  perch_run run{};
  const PairKey b{"b", 0};
  CHECK(view.host.scan_open(&view.snapshot, 2, nullptr, &cursor) == PERCH_FAILED);
  CHECK(view.host.scan_next(&cursor, nullptr, 10, &run) == 0);
  CHECK(view.host.get(&view.snapshot, 99, &b) == nullptr);
  const void* values[2] = {&b, &b};
  view.host.get_many(&view.snapshot, 99, &b, 1, values);
  CHECK(values[0] == nullptr);
  CHECK(values[1] == &b);
  view.host.get_many(&view.snapshot, 0, nullptr, 2, values);
  CHECK(values[1] == nullptr);
  view.host.get_many(&view.snapshot, 0, &b, 1, nullptr);
  CHECK(view.host.table_rows(&view.snapshot, 99) == 0);

  perch_range range = range_of(&b, 3, nullptr, 0);  // the key has two fields
  CHECK(view.host.scan_open(&view.snapshot, 0, &range, &cursor) == PERCH_FAILED);
  range = range_of(nullptr, 1, nullptr, 0);
  CHECK(view.host.scan_open(&view.snapshot, 0, &range, &cursor) == PERCH_FAILED);
  range = range_of(&b, 1, nullptr, 0);
  range.struct_size = 4;
  CHECK(view.host.scan_open(&view.snapshot, 0, &range, &cursor) == PERCH_FAILED);

  REQUIRE(view.host.scan_open(&view.snapshot, 0, nullptr, &cursor) == PERCH_OK);
  CHECK(view.host.scan_next(&cursor, nullptr, 10, &run) == 0);  // its size is not set
  perch_change change;
  CHECK(view.host.diff_next(&cursor, nullptr, 1, &change) == 0);  // a scan's cursor
  std::memset(&cursor, 0x5a, sizeof cursor);
  run.struct_size = sizeof run;
  CHECK(view.host.scan_next(&cursor, nullptr, 10, &run) == 0);
}

TEST_CASE("a diff tells the net changes with keys, from version 0 too") {
  PluginView view;
  perch_snapshot before = view.snapshot;  // version 0
  std::mt19937 random(3);
  std::map<std::uint64_t, std::int64_t> model;
  for (int step = 0; step < 20; ++step) {
    const auto old_model = model;
    for (int i = 0; i < 50; ++i) {
      const std::uint64_t id = random() % 200;
      if (random() % 3 == 0) {
        model.erase(id);
        view.rows().erase(id);
      } else {
        const auto amount = static_cast<std::int64_t>(random() % 4);
        model[id] = amount;
        view.rows().put(id, amount);
      }
    }
    view.commit();
    perch_cursor cursor;
    REQUIRE(view.host.diff_open(&before, &view.snapshot, 1, &cursor) == PERCH_OK);
    auto rebuilt = old_model;
    std::uint64_t keys[7];
    perch_change changes[7];
    while (const std::uint32_t count = view.host.diff_next(&cursor, keys, 7, changes)) {
      for (std::uint32_t i = 0; i < count; ++i) {
        const auto* const now = static_cast<const std::int64_t*>(changes[i].new_value);
        const auto* const then = static_cast<const std::int64_t*>(changes[i].old_value);
        CHECK((then != nullptr) == (changes[i].kind != PERCH_INSERTED));
        CHECK((now != nullptr) == (changes[i].kind != PERCH_REMOVED));
        CHECK(old_model.contains(keys[i]) == (then != nullptr));
        if (then != nullptr) CHECK(*then == old_model.at(keys[i]));
        if (now != nullptr) {
          rebuilt[keys[i]] = *now;
        } else {
          rebuilt.erase(keys[i]);
        }
      }
    }
    CHECK(rebuilt == model);
    CHECK(view.host.diff_open(&view.snapshot, &before, 1, &cursor) == PERCH_FAILED);  // the wrong way round
    before = view.snapshot;
  }
}

}  // namespace snapshot_access_test
}  // namespace perch::reading
