// What retention keeps, against a model that sorts all rows at every turn.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <random>

#include "tables/retention_queue.hpp"
#include "tables/table_writer.hpp"
#include "tree/store.hpp"
#include "unit/tables/test_tables.hpp"

using namespace perch;
using namespace perch::tables;

namespace retention_test {

using test::bytes_of;
using test::words_of;

struct Key {
  std::int64_t when;
  std::uint16_t id;
  std::array<char, 6> padding{};
};

struct Value {
  std::uint64_t stamp;  // what the last write left: a row that shows another was mixed up
  std::int64_t ts;
  double level;
  std::int32_t small;
  std::int32_t padding = 0;
};

TableSpec spec_with(const RetainSpec& retain) {
  return {"rows",
          {{"when", "timestamp_ns"}, {"id", "uint16"}},
          {{"stamp", "uint64"}, {"ts", "timestamp_ns"}, {"level", "float64"}, {"small", "int32"}},
          retain};
}

/// A row of the model: how it was inserted, and what it holds now.
struct Row {
  Key key;
  Value value;
  double rank;  // exact here: all numbers are small
  std::uint64_t sequence;
};

class Model {
 public:
  explicit Model(RetainSpec retain) : retain_(std::move(retain)) {}

  void upsert(const std::vector<std::uint64_t>& words, const Key& key, const Value& value) {
    newest_ = std::max(newest_, rank(key, value));
    const auto [row, inserted] = rows_.try_emplace(words, Row{key, value, rank(key, value), sequence_ + 1});
    if (inserted) ++sequence_;
    row->second.value = value;
  }
  bool erase(const std::vector<std::uint64_t>& words) { return rows_.erase(words) > 0; }

  std::uint64_t evict() {
    std::vector<std::pair<std::pair<double, std::uint64_t>, std::vector<std::uint64_t>>> order;
    const bool in_key_order = retain_.by == "when";  // then rows of one rank go in the order of their keys
    for (const auto& [words, row] : rows_)
      order.push_back({{row.rank, in_key_order ? 0 : row.sequence}, words});
    std::sort(order.begin(), order.end());
    std::size_t due = retain_.rows && order.size() > *retain_.rows ? order.size() - *retain_.rows : 0;
    if (retain_.age) {
      const double oldest = newest_ - static_cast<double>(retain_.age->count());
      while (due < order.size() && order[due].first.first < oldest) ++due;
    }
    for (std::size_t i = 0; i < due; ++i) rows_.erase(order[i].second);
    return due;
  }

  const std::map<std::vector<std::uint64_t>, Row>& rows() const { return rows_; }

 private:
  double rank(const Key& key, const Value& value) const {
    if (!retain_.by) return 0;
    if (*retain_.by == "when") return static_cast<double>(key.when);
    if (*retain_.by == "id") return key.id;
    if (*retain_.by == "stamp") return static_cast<double>(value.stamp);
    if (*retain_.by == "ts") return static_cast<double>(value.ts);
    if (*retain_.by == "small") return value.small;
    return std::isnan(value.level) ? -1e300 : value.level;
  }

  RetainSpec retain_;
  std::map<std::vector<std::uint64_t>, Row> rows_;
  double newest_ = -1e301;
  std::uint64_t sequence_ = 0;
};

struct Bench {
  std::unique_ptr<tree::Store> store;
  Catalog catalog;
  std::unique_ptr<TableWriter> writer;

  explicit Bench(const RetainSpec& retain, std::uint64_t arena_mib = 64)
      : store(tree::Store::create({.arena_bytes = arena_mib << 20}).value()),
        catalog(Catalog::make({spec_with(retain)}).value()),
        writer(std::make_unique<TableWriter>(*store, catalog)) {}
  const Table& table() const { return *catalog.tables()[0]; }
};

void compare(const Bench& bench, const Model& model) {
  REQUIRE(bench.writer->rows(0) == model.rows().size());
  for (const auto& [words, row] : model.rows()) {
    const std::byte* found = bench.store->find(0, words.data());
    REQUIRE(found);
    REQUIRE(std::memcmp(found, &row.value, sizeof row.value) == 0);
  }
}

/// Random upserts, updates and deletes in small versions. `drift`: the keys go with the versions, so that
/// most rows are new and some come late; else they stay the same ones.
void run(const RetainSpec& retain, std::uint64_t seed, int versions, bool drift) {
  std::mt19937_64 random(seed);
  Bench bench(retain);
  Model model(retain);
  std::uint64_t stamp = 0;
  std::uint64_t evicted = 0;
  for (int version = 0; version < versions; ++version) {
    for (std::uint64_t i = random() % 40; i > 0; --i) {
      const std::int64_t when =
          (drift ? version - versions / 2 : 0) + static_cast<std::int64_t>(random() % 40);
      const Key key{when - 20, static_cast<std::uint16_t>(random() % 20)};
      const auto words = words_of(bench.table(), key);
      if (random() % 5 == 0) {
        CHECK(bench.writer->erase(0, words.data()) == model.erase(words));
        continue;
      }
      const double level = random() % 16 == 0 ? std::nan("") : static_cast<double>(random() % 100) - 50;
      const Value value{++stamp, version + static_cast<std::int64_t>(random() % 30) - 15, level,
                        static_cast<std::int32_t>(random() % 64) - 32};
      REQUIRE(bench.writer->has_room());
      bench.writer->upsert(0, words.data(), bytes_of(value));
      model.upsert(words, key, value);
    }
    const std::uint64_t due = model.evict();
    CHECK(bench.writer->retain() == due);
    CHECK_FALSE(bench.writer->is_behind());
    evicted += due;
    CHECK(bench.writer->evicted_rows(0) == evicted);
    compare(bench, model);
    bench.writer->commit(version, {});
  }
  CHECK(evicted > 0);
  CHECK(bench.store->check() == "");
}

TEST_CASE("the oldest rows go: in order of insertion, or of any field, by number or by age") {
  using std::chrono::nanoseconds;
  const std::vector<RetainSpec> specs{{1, {}, {}},
                                      {50, {}, {}},
                                      {300, {}, {}},
                                      {50, {}, "when"},
                                      {50, {}, "id"},
                                      {50, {}, "stamp"},
                                      {50, {}, "level"},
                                      {50, {}, "small"},
                                      {{}, nanoseconds(20), "ts"},
                                      {60, nanoseconds(40), "ts"},
                                      {1, nanoseconds(1), "ts"},
                                      {1, {}, "when"},
                                      {300, {}, "when"},
                                      {{}, nanoseconds(12), "when"},
                                      {{}, nanoseconds(1), "when"},
                                      {60, nanoseconds(25), "when"}};
  std::uint64_t seed = 0;
  for (const RetainSpec& retain : specs) {
    CAPTURE(retain.by.value_or("insertion"));
    for (int round = 0; round < 4; ++round) run(retain, ++seed, 500, round % 2 == 1);
  }
}

TEST_CASE("what a leap of the time makes due at once goes in several versions, and all of it goes") {
  constexpr std::int64_t rows = 250'000;
  const auto age = std::chrono::nanoseconds(rows);
  for (const RetainSpec& retain : {RetainSpec{{}, age, "ts"}, RetainSpec{{}, age, "when"}}) {
    CAPTURE(*retain.by);
    Bench bench(retain);
    const auto write = [&](std::int64_t ts) {
      REQUIRE(bench.writer->has_room());
      const Value value{1, ts, 0, 0};
      bench.writer->upsert(0, words_of(bench.table(), Key{ts, 0}).data(), bytes_of(value));
    };
    for (std::int64_t ts = 0; ts < rows; ++ts) {
      write(ts);
      if (ts % 1000 == 0) CHECK(bench.writer->retain() == 0);
      if (ts % 1000 == 0) bench.writer->commit(ts, {});
    }
    write(2 * rows);  // all others are older than this one by more than the age
    std::uint64_t left = rows;
    while (left > 0) {
      const std::uint64_t most = RetentionQueue::rows_per_call;
      CHECK(bench.writer->retain() == std::min(left, most));
      left -= std::min(left, most);
      CHECK(bench.writer->rows(0) == left + 1);
      CHECK(bench.writer->is_behind() == (left > 0));
      bench.writer->commit(rows, {});
    }
    CHECK(bench.writer->retain() == 0);
    CHECK(bench.store->find(0, words_of(bench.table(), Key{2 * rows, 0}).data()) != nullptr);
    CHECK(bench.store->check() == "");
  }
}

TEST_CASE("as many rows as come in between two evictions may go at once, however many they are") {
  for (const RetainSpec& retain : {RetainSpec{10, {}, {}}, RetainSpec{10, {}, "ts"},
                                   RetainSpec{10, {}, "when"}, RetainSpec{10, {}, {}, {"id"}}}) {
    CAPTURE(retain.by.value_or("insertion"));
    CAPTURE(retain.per.size());
    Bench bench(retain);
    for (std::int64_t ts = 0; ts < 150'000; ++ts) {
      REQUIRE(bench.writer->has_room());
      const Value value{1, ts, 0, 0};
      bench.writer->upsert(0, words_of(bench.table(), Key{ts, 0}).data(), bytes_of(value));
    }
    CHECK(bench.writer->retain() == 149'990);
    CHECK_FALSE(bench.writer->is_behind());
    CHECK(bench.writer->rows(0) == 10);
  }
}

TEST_CASE("without room to erase nothing goes, and the rows stay due") {
  for (const RetainSpec& retain :
       {RetainSpec{100, {}, {}}, RetainSpec{100, {}, "ts"}, RetainSpec{100, {}, "when"},
        RetainSpec{{}, std::chrono::nanoseconds(100), "when"}, RetainSpec{100, {}, {}, {"id"}},
        RetainSpec{49'900, {}, {}, {"id"}}}) {  // so few are due that none is in the queue any more
    CAPTURE(retain.by.value_or("insertion"));
    CAPTURE(retain.per.size());
    Bench bench(retain, 16);
    std::vector<tree::SharedSnapshot> held;  // of every version: nothing that is dropped comes back
    std::int64_t ts = 0;
    const auto write = [&] {
      const Value value{1, ts, 0, 0};
      bench.writer->upsert(0, words_of(bench.table(), Key{ts++, 0}).data(), bytes_of(value));
    };
    const auto commit = [&] {
      bench.writer->commit(ts, {});
      held.push_back(bench.store->reads().acquire());
    };
    for (int i = 0; i < 50'000; ++i) write();
    while (bench.store->has_room_to_erase()) {  // copies of leaves, versions' records: the reserve goes too
      const auto words =
          words_of(bench.table(), Key{25'000 + static_cast<std::int64_t>(held.size()) % 25'000, 0});
      bench.writer->erase(0, words.data());
      commit();
    }
    const std::uint64_t kept = retain.rows.value_or(100);
    const std::uint64_t erased = 50'000 - bench.writer->rows(0);
    CHECK(bench.writer->retain() == 0);
    CHECK(bench.writer->is_behind());
    held.clear();
    bench.store->reclaim_all();
    std::uint64_t rows_before = bench.writer->rows(0);
    CHECK(bench.writer->retain() > 0);
    CHECK(bench.writer->rows(0) < rows_before);
    // Rows that were erased count among their group's. Of age 100 there may be 101.
    const std::uint64_t counted = bench.writer->rows(0) + (retain.rows == 49'900 ? erased : 0);
    CHECK(counted - kept <= 1);
    CHECK_FALSE(bench.writer->is_behind());
    bench.writer->commit(ts, {});
    CHECK(bench.store->check() == "");
  }
}

TEST_CASE("without retention nothing goes and no byte is added") {
  tree::StoreOptions options{.arena_bytes = std::uint64_t{16} << 20};
  const auto store = tree::Store::create(options).value();
  TableSpec spec = spec_with({});
  spec.retain.reset();
  const Catalog catalog = Catalog::make({spec}).value();
  TableWriter writer(*store, catalog);
  for (std::uint16_t id = 0; id < 1000; ++id) {
    const Value value{id, 0, 0, 0};
    REQUIRE(writer.has_room());
    writer.upsert(0, words_of(*catalog.tables()[0], Key{0, id}).data(), bytes_of(value));
    writer.retain();
  }
  CHECK(writer.rows(0) == 1000);
  CHECK(writer.evicted_rows(0) == 0);
}

TEST_CASE("a table that is inserted into and deleted from for ever keeps a bounded queue") {
  for (const RetainSpec& retain : {RetainSpec{100'000, {}, {}}, RetainSpec{100'000, {}, "ts"}}) {
    CAPTURE(retain.by.value_or("insertion"));
    const auto store = tree::Store::create({.arena_bytes = std::uint64_t{64} << 20}).value();
    const auto table = Table::make(spec_with(retain), 0).value();
    tree::TableShape shape;
    shape.key_words = table->codec().words();
    shape.value_bytes = table->stored_value_bytes();
    store->add_table(shape);
    RetentionQueue queue(*table, *store);
    std::mt19937_64 random(9);
    std::uint64_t rows_max = 0;
    std::uint64_t entries_max = 0;
    for (std::int64_t step = 0; step < 200'000; ++step) {
      const auto words = words_of(*table, Key{static_cast<std::int64_t>(random() % 1500), 0});
      REQUIRE(store->has_room());
      const tree::Placed row = store->upsert(0, words.data());
      const Value value{0, static_cast<std::int64_t>(random() % 1000), 0, 0};
      std::memcpy(row.value, &value, sizeof value);
      queue.written(words.data(), row);
      const auto victim = words_of(*table, Key{static_cast<std::int64_t>(random() % 1500), 0});
      store->erase(0, victim.data());
      rows_max = std::max(rows_max, store->rows(0));
      if (step % 16 == 0) {
        queue.evict_due();
        entries_max = std::max(entries_max, queue.entries());
        store->commit(step, {});
      }
    }
    CHECK(rows_max > 500);
    CHECK(entries_max > rows_max);  // there was something to sweep
    CHECK(entries_max < 5 * rows_max / 2 + 1024 + 16);
  }
}

}  // namespace retention_test
