// Rollups against sums taken the long way: all rows kept, each aggregate computed anew.
#include "tables/rollup.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <random>
#include <vector>

#include "tables/catalog.hpp"
#include "tables/table_writer.hpp"
#include "tree/store.hpp"
#include "unit/tables/test_tables.hpp"
#include "unit/test_files.hpp"

using namespace perch;
using namespace perch::tables;
using namespace std::chrono_literals;

namespace rollup_test {

using test::bytes_of;
using test::has;
using test::refusal;
using test::words_of;

struct Key {
  char symbol[8];
  std::uint64_t seq;
};

struct Trade {
  std::int64_t ts;
  double price;
  std::int32_t size;
  float weight;
  char venue[4];
  std::uint8_t side;
  std::uint8_t padding[3];
};

TableSpec trades_spec() {
  return {"trades",
          {{"symbol", "char[8]"}, {"seq", "uint64"}},
          {{"ts", "timestamp_ns"},
           {"price", "float64"},
           {"size", "int32"},
           {"weight", "float32"},
           {"venue", "char[4]"},
           {"side", "uint8"}},
          {}};
}

TableSpec rollup_spec(std::vector<GroupSpec> group, std::vector<AggregateSpec> aggregates) {
  TableSpec spec{"bars", {}, {}, {}};
  spec.rollup = RollupSpec{"trades", std::move(group), std::move(aggregates)};
  return spec;
}

/// A store with trades and one rollup of them.
class Rolled {
 public:
  explicit Rolled(TableSpec rollup, bool rollup_first = false)
      : store_(*tree::Store::create({64u << 20, tree::commit_with_fallocate, false})) {
    auto made =
        Catalog::make(rollup_first ? std::vector{rollup, trades_spec()} : std::vector{trades_spec(), rollup});
    REQUIRE_MESSAGE(made, made.error().message);
    catalog_ = std::move(*made);
    writer_ = std::make_unique<TableWriter>(*store_, catalog_);
  }

  const Table& trades() const { return *catalog_.find("trades"); }
  const Table& bars() const { return *catalog_.find("bars"); }
  TableWriter& writer() { return *writer_; }

  void take(const char* symbol, std::uint64_t seq, const Trade& trade) {
    Key key{};
    std::memcpy(key.symbol, symbol, std::strlen(symbol));
    key.seq = seq;
    REQUIRE(writer_->has_room());
    writer_->upsert(trades().index(), words_of(trades(), key).data(), bytes_of(trade));
  }

  /// A member of the rollup's row; the key's fields as they lie in its record.
  template <class T, class Record>
  T member(const Record& key, const char* name) {
    writer_->retain();  // what is buffered is written back then
    const std::byte* value = store_->find(bars().index(), words_of(bars(), key).data());
    REQUIRE(value != nullptr);
    const Field* field = bars().value().find(name);
    REQUIRE(field != nullptr);
    REQUIRE(field->size() == sizeof(T));
    T out;
    std::memcpy(&out, value + field->offset, sizeof out);
    return out;
  }
  std::uint64_t rows() const { return store_->rows(bars().index()); }

 private:
  std::unique_ptr<tree::Store> store_;
  Catalog catalog_;
  std::unique_ptr<TableWriter> writer_;
};

struct BarKey {
  char symbol[8];
  std::int64_t ts;
};

std::string refusal_of(const TableSpec& rollup) { return refusal({trades_spec(), rollup}); }

Trade trade_at(std::int64_t ts, double price, std::int32_t size) {
  Trade trade{};
  trade.ts = ts;
  trade.price = price;
  trade.size = size;
  return trade;
}

TEST_CASE("bars hold what the long way gives, in every function") {
  for (const bool rollup_first : {false, true}) {
    Rolled rolled(rollup_spec({{"symbol", 0ns}, {"ts", 1min}}, {{"open", "first(price)"},
                                                                {"close", "last(price)"},
                                                                {"high", "max(price)"},
                                                                {"low", "min(price)"},
                                                                {"volume", "sum(size)"},
                                                                {"turnover", "sum(price)"},
                                                                {"mean", "mean(price)"},
                                                                {"mean_size", "mean(size)"},
                                                                {"spread", "stddev(price)"},
                                                                {"spread_size", "stddev(size)"},
                                                                {"heavy", "max(weight)"},
                                                                {"last_venue", "last(venue)"},
                                                                {"last_seq", "max(seq)"},
                                                                {"trades", "count()"}}),
                  rollup_first);
    std::mt19937_64 random(7);
    std::map<std::pair<int, std::int64_t>, std::vector<std::pair<std::uint64_t, Trade>>> model;
    for (int i = 0; i < 20'000; ++i) {
      Trade trade = trade_at(std::int64_t(random() % 600'000'000'000) - 300'000'000'000,
                             1e6 + double(random() % 1000) / 7, std::int32_t(random() % 2001) - 1000);
      trade.weight = float(random() % 100) / 3;
      std::memcpy(trade.venue, std::array{"NYSE", "LSE\0", "X\0\0\0"}[random() % 3], 4);
      const int symbol = int(random() % 5);
      const std::uint64_t seq = random() % 5000;  // many replace one that was there: they count again
      rolled.take(std::to_string(symbol).c_str(), seq, trade);
      if (random() % 100 == 0) rolled.writer().commit(0, {});
      const std::int64_t minute = 60'000'000'000;
      const std::int64_t bucket = (trade.ts - ((trade.ts % minute) + minute) % minute);
      model[{symbol, bucket}].push_back({seq, trade});
    }
    CHECK(rolled.rows() == model.size());
    for (const auto& [group, all] : model) {
      BarKey key{};
      std::strcpy(key.symbol, std::to_string(group.first).c_str());
      key.ts = group.second;
      long double sum = 0, sizes = 0, squares = 0, size_squares = 0;
      std::int64_t volume = 0;
      Trade high = all[0].second, low = high;
      float heavy = 0;
      std::uint64_t last_seq = 0;
      for (const auto& [seq, trade] : all) {
        sum += trade.price;
        sizes += trade.size;
        volume += trade.size;
        if (trade.price > high.price) high = trade;
        if (trade.price < low.price) low = trade;
        heavy = std::max(heavy, trade.weight);
        last_seq = std::max(last_seq, seq);
      }
      const long double n = all.size();
      for (const auto& [seq, trade] : all) {
        squares += (trade.price - sum / n) * (trade.price - sum / n);
        size_squares += (trade.size - sizes / n) * (trade.size - sizes / n);
      }
      CHECK(rolled.member<std::uint64_t>(key, "trades") == all.size());
      CHECK(rolled.member<double>(key, "open") == all.front().second.price);
      CHECK(rolled.member<double>(key, "close") == all.back().second.price);
      CHECK(rolled.member<double>(key, "high") == high.price);
      CHECK(rolled.member<double>(key, "low") == low.price);
      CHECK(rolled.member<std::int64_t>(key, "volume") == volume);
      CHECK(rolled.member<float>(key, "heavy") == heavy);
      CHECK(rolled.member<std::uint64_t>(key, "last_seq") == last_seq);
      CHECK(std::memcmp(rolled.member<std::array<char, 4>>(key, "last_venue").data(), all.back().second.venue,
                        4) == 0);
      const auto near = [](double found, long double expected) {
        return std::abs(found - expected) <= 1e-12L * std::abs(expected);
      };
      CHECK(near(rolled.member<double>(key, "turnover"), sum));
      CHECK(near(rolled.member<double>(key, "mean"), sum / n));
      CHECK(near(rolled.member<double>(key, "mean_size"), sizes / n));
      CHECK(near(rolled.member<double>(key, "spread"), std::sqrt(squares / n)));
      CHECK(near(rolled.member<double>(key, "spread_size"), std::sqrt(size_squares / n)));
    }
  }
}

TEST_CASE("sums and deviations stay exact where plain ones drown") {
  Rolled rolled(rollup_spec({{"symbol", 0ns}}, {{"sum", "sum(price)"}, {"dev", "stddev(price)"}}));
  // A large number, very many small ones, and the large one taken away again.
  rolled.take("a", 1, trade_at(0, 1e16, 0));
  for (int i = 0; i < 100'000; ++i) rolled.take("a", 2, trade_at(0, 1, 0));
  rolled.take("a", 3, trade_at(0, -1e16, 0));
  CHECK(rolled.member<double>(std::array<char, 8>{'a'}, "sum") == 100'000);
  // A mean a thousand million times the deviation.
  for (int i = 0; i < 100'000; ++i) rolled.take("b", 1, trade_at(0, 1e9 + (i % 2), 0));
  CHECK(std::abs(rolled.member<double>(std::array<char, 8>{'b'}, "dev") - 0.5) < 1e-12);
}

TEST_CASE("integer sums are exact and are held at their type's ends") {
  TableSpec wide{"trades", {{"id", "uint64"}}, {{"a", "int64"}, {"b", "uint64"}}, {}};
  TableSpec sums{"sums", {}, {}, {}};
  sums.rollup = RollupSpec{"trades", {{"id", 0ns}}, {{"a", "sum(a)"}, {"b", "sum(b)"}}};
  auto catalog = Catalog::make({wide, sums});
  REQUIRE(catalog);
  auto store = *tree::Store::create({16u << 20, tree::commit_with_fallocate, false});
  TableWriter writer(*store, *catalog);
  const std::uint64_t key = 5;
  const auto take = [&](std::int64_t a, std::uint64_t b) {
    const struct {
      std::int64_t a;
      std::uint64_t b;
    } value{a, b};
    writer.upsert(0, &key, bytes_of(value));
    writer.retain();  // what is buffered is written back then
    const std::byte* sum = store->find(1, &key);
    std::pair<std::int64_t, std::uint64_t> out;
    std::memcpy(&out.first, sum, 8);
    std::memcpy(&out.second, sum + 8, 8);
    return out;
  };
  CHECK(take((std::int64_t{1} << 53) + 1, 1).first == (std::int64_t{1} << 53) + 1);
  CHECK(take(INT64_MAX, UINT64_MAX) == std::pair{INT64_MAX, UINT64_MAX});
  CHECK(take(-((std::int64_t{1} << 53) + 2), 0) == std::pair{INT64_MAX - 1, UINT64_MAX});  // nothing was lost
}

TEST_CASE("NaN and infinities have their way, and min and max pass NaN over") {
  Rolled rolled(
      rollup_spec({{"symbol", 0ns}}, {{"low", "min(price)"}, {"high", "max(price)"}, {"sum", "sum(price)"}}));
  const std::array<char, 8> a{'a'};
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double infinity = std::numeric_limits<double>::infinity();
  rolled.take("a", 1, trade_at(0, nan, 0));
  CHECK(std::isnan(rolled.member<double>(a, "low")));
  rolled.take("a", 1, trade_at(0, 3, 0));
  rolled.take("a", 1, trade_at(0, nan, 0));
  CHECK(rolled.member<double>(a, "low") == 3);
  CHECK(rolled.member<double>(a, "high") == 3);
  CHECK(std::isnan(rolled.member<double>(a, "sum")));
  rolled.take("b", 1, trade_at(0, infinity, 0));
  rolled.take("b", 1, trade_at(0, 1, 0));
  CHECK(rolled.member<double>(std::array<char, 8>{'b'}, "sum") == infinity);
}

TEST_CASE("late rows are folded into their own bucket and counted") {
  Rolled rolled(rollup_spec({{"symbol", 0ns}, {"ts", 1s}}, {{"n", "count()"}}));
  const auto key = [](std::int64_t ts) { return BarKey{{'a'}, ts}; };
  rolled.take("a", 1, trade_at(5'500'000'000, 1, 1));
  rolled.take("a", 2, trade_at(5'000'000'000, 1, 1));  // out of order, but in the newest bucket
  CHECK(rolled.writer().late_rows(rolled.bars().index()) == 0);
  rolled.take("a", 3, trade_at(4'999'999'999, 1, 1));
  rolled.take("a", 4, trade_at(-1, 1, 1));
  CHECK(rolled.writer().late_rows(rolled.bars().index()) == 2);
  CHECK(rolled.member<std::uint64_t>(key(5'000'000'000), "n") == 2);
  CHECK(rolled.member<std::uint64_t>(key(4'000'000'000), "n") == 1);
  CHECK(rolled.member<std::uint64_t>(key(-1'000'000'000), "n") == 1);
}

TEST_CASE("the first bucket of all begins with time itself") {
  Rolled rolled(rollup_spec({{"ts", 1h}}, {{"n", "count()"}}));
  rolled.take("a", 1, trade_at(INT64_MIN + 5, 1, 1));
  rolled.take("a", 1, trade_at(INT64_MAX, 1, 1));
  CHECK(rolled.rows() == 2);
  CHECK(rolled.member<std::uint64_t>(std::int64_t{INT64_MIN}, "n") == 1);
}

TEST_CASE("retention of the source takes nothing from the rollup, its own retention does") {
  TableSpec source = trades_spec();
  source.retain = RetainSpec{3, {}, {}};
  TableSpec bars = rollup_spec({{"seq", 0ns}}, {{"n", "count()"}, {"total", "sum(price)"}});
  bars.retain = RetainSpec{5, {}, "seq"};
  TableSpec all{"all", {}, {}, {}};
  all.rollup = RollupSpec{"trades", {{"symbol", 0ns}}, {{"n", "count()"}}};
  auto catalog = Catalog::make({source, bars, all});
  REQUIRE_MESSAGE(catalog, catalog.error().message);
  auto store = *tree::Store::create({16u << 20, tree::commit_with_fallocate, false});
  TableWriter writer(*store, *catalog);
  for (std::uint64_t seq = 0; seq < 100; ++seq) {
    const std::uint64_t key[2] = {std::uint64_t{'a'} << 56, seq};
    const Trade trade = trade_at(0, 1, 1);
    writer.upsert(0, key, bytes_of(trade));
    writer.retain();
    writer.commit(0, {});
  }
  CHECK(store->rows(0) == 3);
  CHECK(store->rows(1) == 5);
  const std::uint64_t a = std::uint64_t{'a'} << 56;
  std::uint64_t count = 0;
  std::memcpy(&count, store->find(2, &a), sizeof count);
  CHECK(count == 100);
  CHECK(store->check().empty());
}

TEST_CASE("what is wrong with a rollup is named with its place") {
  const std::vector<AggregateSpec> count{{"n", "count()"}};
  CHECK(refusal_of(rollup_spec({}, count)).starts_with("tables.bars.rollup.group: "));
  CHECK(refusal_of(rollup_spec({{"symbol", 0ns}}, {})).starts_with("tables.bars.rollup.aggregate: "));
  CHECK(refusal_of(rollup_spec({{"symbl", 0ns}}, count)) ==
        "tables.bars.rollup.group[0]: the source table has no field 'symbl'; did you mean 'symbol'?");
  CHECK(has(refusal_of(rollup_spec({{"price", 0ns}}, count)), "is a float64; rows are grouped by"));
  CHECK(has(refusal_of(rollup_spec({{"size", 1s}}, count)), "a bucket is of a timestamp_ns"));
  CHECK(has(refusal_of(rollup_spec({{"ts", 1s}, {"ts", 1min}}, count)), "a second bucket"));
  const auto call = [](const char* text) {
    return refusal_of(rollup_spec({{"symbol", 0ns}}, {{"x", text}}));
  };
  CHECK(has(call("price"), "write a function and its field"));
  CHECK(has(call("maxi(price)"), "did you mean 'max'?"));
  CHECK(has(call("count(price)"), "takes no field"));
  CHECK(has(call("max()"), "needs a field"));
  CHECK(has(call("sum(prize)"), "did you mean 'price'?"));
  CHECK(has(call("sum(venue)"), "'venue' is a char[4]; this function is of a single number"));
  CHECK(has(call("sum(ts)"), "'ts' is a timestamp_ns"));
  CHECK(call("max(ts)") == "");
  TableSpec nested = rollup_spec({{"symbol", 0ns}}, count);
  nested.name = "more";
  nested.rollup->of = "bars";
  CHECK(has(refusal({trades_spec(), rollup_spec({{"symbol", 0ns}}, count), nested}), "is a rollup itself"));
  nested.rollup->of = "trade";
  CHECK(has(refusal_of(nested), "tables.more.rollup.of: no table \"trade\""));
}

}  // namespace rollup_test
