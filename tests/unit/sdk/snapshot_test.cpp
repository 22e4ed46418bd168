// Snapshot, Range, Scan and Changes over the test kit's tables.
#include "perch/snapshot.hpp"

#include <doctest/doctest.h>

#include <string>
#include <tuple>
#include <vector>

#include "perch/testing.hpp"
#include "records.hpp"

namespace snapshot_test {

using perch::ChangeKind;
using perch::Range;
using Trades = trades::Table;

trades::Key key(const char* symbol, std::uint64_t seq) {
  trades::Key made{{}, seq};
  made.symbol = symbol;
  return made;
}
trades::Value value(double price) { return {{static_cast<std::int64_t>(price)}, price, 2 * price}; }

/// 100 rows each of A, B and C; the price tells the row: 1000 × symbol + seq.
struct ThreeSymbols {
  perch::testing::Host<processes::Table, Trades> host;
  ThreeSymbols() {
    for (int symbol = 1; symbol <= 3; ++symbol) {
      const char name[] = {static_cast<char>('A' + symbol - 1), '\0'};
      for (int seq = 0; seq < 100; ++seq)
        host.put(trades::table, key(name, static_cast<std::uint64_t>(seq)), value(symbol * 1000 + seq));
    }
    host.commit({77});
  }
  perch::Snapshot snapshot() { return host.newest(); }
};

/// Every row's key and value must belong together; returns the rows' prices.
std::vector<int> prices(perch::Scan<Trades> scan) {
  std::vector<int> found;
  for (const auto& [row_key, row_value] : scan) {
    const int price = static_cast<int>(row_value.price);
    CHECK(static_cast<int>(row_key.seq) == price % 1000);
    CHECK(row_key.symbol.view() == std::string(1, static_cast<char>('A' + price / 1000 - 1)));
    CHECK(row_value.size == 2 * price);
    found.push_back(price);
  }
  return found;
}
std::vector<int> counted(int first, int count, int step = 1) {
  std::vector<int> numbers;
  for (int i = 0; i < count; ++i) numbers.push_back(first + i * step);
  return numbers;
}

TEST_CASE_FIXTURE(ThreeSymbols, "a snapshot tells its version, time and rows, and gets rows in place") {
  CHECK(snapshot().version() == 1);
  CHECK(snapshot().time().ns == 77);
  CHECK(snapshot().rows(trades::table) == 300);
  CHECK(snapshot().rows(processes::table) == 0);
  const trades::Value* found = snapshot().get(trades::table, key("B", 42));
  REQUIRE(found != nullptr);
  CHECK(found->price == 2042);
  CHECK(found == host.version(1).tables[1].value(142));
  CHECK(snapshot().get(trades::table, key("B", 100)) == nullptr);
  CHECK(snapshot().get(trades::table, key("D", 0)) == nullptr);
}

TEST_CASE_FIXTURE(ThreeSymbols, "get_many finds what get finds, however many keys there are") {
  for (const std::size_t count : {0, 1, 16, 64, 65, 200}) {
    std::vector<trades::Key> keys;
    for (std::size_t i = 0; i < count; ++i)
      keys.push_back(key(i % 5 == 4 ? "D" : "B", (i * 37) % 110));  // some of them are not there
    std::vector<const trades::Value*> values(count, snapshot().get(trades::table, key("A", 1)));
    snapshot().get_many(trades::table, keys, values);
    for (std::size_t i = 0; i < count; ++i) CHECK(values[i] == snapshot().get(trades::table, keys[i]));
  }
  std::vector<const trades::Value*> too_few(2);
  CHECK_THROWS_AS(snapshot().get_many(trades::table, std::vector<trades::Key>(3), too_few),
                  std::invalid_argument);
}

TEST_CASE_FIXTURE(ThreeSymbols, "a scan gives every row of its range in order") {
  CHECK(prices(snapshot().scan(trades::table)).size() == 300);
  CHECK(prices(snapshot().scan(trades::table, key("B", 10), key("B", 13))) == counted(2010, 3));
  CHECK(prices(snapshot().scan(Range(trades::table).from(key("B", 10)).to(key("B", 13)))) ==
        counted(2010, 4));
  CHECK(prices(snapshot().scan(Range(trades::table).after(key("B", 10)).before(key("B", 13)))) ==
        counted(2011, 2));
  CHECK(prices(snapshot().scan(trades::table, key("B", 13), key("B", 10))).empty());
}

TEST_CASE_FIXTURE(ThreeSymbols, "a bound of fewer fields covers every key that starts so") {
  CHECK(prices(snapshot().scan(Range(trades::table).prefix(key("B", 55), 1))) == counted(2000, 100));
  CHECK(prices(snapshot().scan(Range(trades::table).after(key("B", 55), 1))) == counted(3000, 100));
  CHECK(prices(snapshot().scan(Range(trades::table).before(key("B", 55), 1))) == counted(1000, 100));
  CHECK_THROWS_AS(Range(trades::table).from(key("B", 55), 3), std::out_of_range);
}

TEST_CASE_FIXTURE(ThreeSymbols, "a reverse scan is the scan backwards") {
  CHECK(prices(snapshot().scan(Range(trades::table).prefix(key("B", 0), 1).reverse())) ==
        counted(2099, 100, -1));
  auto scan = snapshot().scan(Range(trades::table).reverse());
  const auto last = scan.begin();
  REQUIRE(last != scan.end());
  CHECK((*last).value.price == 3099);
}

TEST_CASE_FIXTURE(ThreeSymbols, "a table that the reader does not list is an error that names it") {
  using Unlisted = perch::Table<"unlisted", trades::Key, trades::Value>;
  CHECK_THROWS_WITH(snapshot().rows(Unlisted()), "the reader's Tables do not list the table 'unlisted'");
}

TEST_CASE_FIXTURE(ThreeSymbols, "the changes of a step are net, in key order, with old and new values") {
  const std::uint64_t before = host.newest_version();
  host.put(trades::table, key("A", 5), value(9));
  host.erase(trades::table, key("B", 7));
  host.put(trades::table, key("D", 1), value(4001));
  host.put(trades::table, key("E", 1), value(1));
  host.erase(trades::table, key("E", 1));
  const std::uint64_t after = host.commit();
  const perch_step c_step{sizeof(perch_step), 0, host.c_snapshot(before), host.c_snapshot(after)};
  const perch::Step step(host.view(), c_step);
  CHECK(step.previous().version() == 1);
  CHECK(step.current().version() == 2);

  using Seen = std::tuple<ChangeKind, std::string, double, double>;
  std::vector<Seen> seen;
  for (const auto& change : step.changes(trades::table)) {
    seen.emplace_back(change.kind, std::string(change.key.symbol.view()) + std::to_string(change.key.seq),
                      change.old_value ? change.old_value->price : -1,
                      change.new_value ? change.new_value->price : -1);
  }
  CHECK(seen == std::vector<Seen>{{ChangeKind::updated, "A5", 1005, 9},
                                  {ChangeKind::removed, "B7", 2007, -1},
                                  {ChangeKind::inserted, "D1", -1, 4001}});
}

TEST_CASE_FIXTURE(ThreeSymbols, "changes come in batches without a gap") {
  const perch_step c_step{sizeof(perch_step), 0, host.c_snapshot(0), host.c_snapshot(1)};
  std::size_t inserted = 0;
  double sum = 0;
  for (const auto& change : perch::Step(host.view(), c_step).changes(trades::table)) {
    CHECK(change.kind == ChangeKind::inserted);
    ++inserted;
    sum += change.new_value->price;
  }
  CHECK(inserted == 300);
  CHECK(sum == 100 * 6000 + 3 * 4950);
}

}  // namespace snapshot_test
