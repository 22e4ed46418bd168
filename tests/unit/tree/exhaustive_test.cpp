// Every short sequence of operations, from several starting trees at fan-outs 3 and 4.
#include <algorithm>
#include <string>

#include "support.hpp"

namespace perch::tree::test {

namespace exhaustive_test {

constexpr TableShape shape{1, 8, 3, 3};

/// Rows to erase at once: a range, or the first ones.
struct ManyRows {
  TestBound low, high;
  std::uint64_t first = 0;  // 0: the range
};

/// One store for all sequences: making an arena costs more than thousands of them.
class Sequences {
 public:
  /// Sequences work on `keys`; each starts from the rows of `start`.
  Sequences(std::vector<std::uint64_t> start, std::vector<std::uint64_t> keys,
            std::vector<ManyRows> erased_at_once = {}, const TableShape& table_shape = shape)
      : start_(std::move(start)),
        keys_(std::move(keys)),
        erased_at_once_(std::move(erased_at_once)),
        shape_(table_shape),
        store_(make_store()),
        table_(store_->add_table(shape_)) {}

  std::uint64_t operation_count() const { return 1 + erased_at_once_.size() + 2 * keys_.size(); }

  /// `code` has one operation per digit, in base operation_count().
  void run(std::uint64_t code, unsigned length) {
    code_ = code;
    reset();
    const SharedSnapshot before = store_->reads().acquire();
    const Model before_model = model_;
    for (unsigned i = 0; i < length; ++i, code /= operation_count()) {
      step(code % operation_count());
      verify(store_->check());
    }
    store_->commit(0, {});
    verify(store_->check());
    const SharedSnapshot after = store_->reads().acquire();
    expect_equal(after->snapshot(), table_, shape_, model_);
    expect_equal(before->snapshot(), table_, shape_, before_model);
    expect_diff(before->snapshot(), before_model, after->snapshot(), model_, table_, shape_);
    expect_diff(after->snapshot(), model_, before->snapshot(), before_model, table_, shape_);
  }

 private:
  void verify(const std::string& problem) const {
    if (!problem.empty()) FAIL("sequence " << code_ << ": " << problem);
  }

  void reset() {
    while (!model_.empty()) {
      expect(store_->has_room_to_erase(), "there is no room to erase");
      expect(store_->erase(table_, model_.begin()->first.data()), "erase misses a row");
      model_.erase(model_.begin());
    }
    for (const std::uint64_t key : start_) upsert(key);
    store_->commit(0, {});
  }

  void upsert(std::uint64_t word) {
    const Key key = key_of(word);
    const std::uint64_t stamp = ++stamps_;
    expect(store_->has_room(), "the arena is full");
    const Placed placed = store_->upsert(table_, key.data());
    expect(placed.inserted == !model_.contains(key), "upsert reports the wrong kind");
    fill_value(placed.value, shape_.value_bytes, stamp);
    model_[key] = stamp;
  }

  void step(std::uint64_t operation) {
    if (operation == 0) {
      store_->commit(0, {});
      return;
    }
    if (--operation < erased_at_once_.size()) return erase_at_once(erased_at_once_[operation]);
    operation -= erased_at_once_.size();
    if (const std::uint64_t word = keys_[operation / 2]; operation % 2 == 0) {
      upsert(word);
    } else {
      const Key key = key_of(word);
      expect(store_->has_room_to_erase(), "there is no room to erase");
      expect(store_->erase(table_, key.data()) == (model_.erase(key) == 1), "erase reports the wrong thing");
    }
  }

  void erase_at_once(const ManyRows& rows) {
    auto [begin, end] = range_of(model_, rows.low, rows.high);
    if (rows.first > 0) {
      begin = model_.begin();
      end = std::next(begin, static_cast<std::ptrdiff_t>(std::min<std::uint64_t>(rows.first, model_.size())));
    }
    const auto count = static_cast<std::uint64_t>(std::distance(begin, end));
    model_.erase(begin, end);
    expect(store_->has_room_to_erase(), "there is no room to erase");
    const std::uint64_t erased = rows.first > 0
                                     ? store_->erase_first(table_, rows.first)
                                     : store_->erase_range(table_, rows.low.bound(), rows.high.bound());
    expect(erased == count, "another number of rows was erased at once");
  }

  const std::vector<std::uint64_t> start_;
  const std::vector<std::uint64_t> keys_;
  const std::vector<ManyRows> erased_at_once_;
  const TableShape shape_;
  std::unique_ptr<Store> store_;
  TableIndex table_;
  Model model_;
  std::uint64_t stamps_ = 0;
  std::uint64_t code_ = 0;
};

void run_every(std::vector<std::uint64_t> start, std::vector<std::uint64_t> keys, unsigned length,
               std::vector<ManyRows> erased_at_once = {}, const TableShape& table_shape = shape) {
  Sequences sequences(std::move(start), std::move(keys), std::move(erased_at_once), table_shape);
  std::uint64_t count = 1;
  for (unsigned i = 0; i < length; ++i) count *= sequences.operation_count();
  for (std::uint64_t code = 0; code < count; code += brevity) sequences.run(code, length);
}

/// Every range whose ends are 0 or one of `keys`, or open, inclusive or exclusive; in the wrong order too.
/// And the first 1, 2, 4 … rows.
std::vector<ManyRows> every_range(const std::vector<std::uint64_t>& keys) {
  std::vector<TestBound> bounds{{}};
  for (const std::uint64_t key : keys) {
    for (const auto kind : {TestBound::inclusive, TestBound::exclusive})
      bounds.push_back({kind, key_of(key)});
  }
  std::vector<ManyRows> ranges;
  for (const TestBound& low : bounds)
    for (const TestBound& high : bounds) ranges.push_back({low, high});
  for (std::uint64_t first = 1; first <= 2 * keys.size(); first *= 2) ranges.push_back({{}, {}, first});
  return ranges;
}

std::vector<std::uint64_t> evens(std::uint64_t count) {
  std::vector<std::uint64_t> keys;
  for (std::uint64_t i = 1; i <= count; ++i) keys.push_back(2 * i);
  return keys;
}

TEST_CASE("exhaustive: every sequence from an empty tree") {
  const unsigned longer = soak_factor() > 1;
  run_every({}, {1, 2}, 5 + longer);
  run_every({}, {1, 2, 3, 4}, 4 + longer);
}

TEST_CASE("exhaustive: every sequence around the edges of full leaves") {
  const unsigned longer = soak_factor() > 1;
  for (const std::uint64_t rows : {3, 4, 7, 9, 10}) {
    INFO("rows ", rows);
    run_every(evens(rows), {2, 3, rows * 2}, 3 + longer);            // both ends
    run_every(evens(rows), {rows, rows + 1, rows + 2}, 3 + longer);  // the middle
  }
  for (const std::uint64_t rows : {27, 28, 40}) {  // three and four levels
    INFO("rows ", rows);
    run_every(evens(rows), {1, rows, rows + 1, 2 * rows + 1}, 3);
  }
}

TEST_CASE("exhaustive: every range out of trees of one to four levels, and what follows") {
  for (const std::uint32_t fan_out : {3U, 4U}) {
    const TableShape small{1, 8, fan_out, fan_out};
    const TableShape outside{1, 260, fan_out, fan_out};
    for (const std::uint64_t rows : {1, 3, 4, 7, 10}) {
      INFO("fan-out ", fan_out, ", rows ", rows);
      std::vector<std::uint64_t> keys;
      for (std::uint64_t key = 1; key <= 2 * rows + 1; ++key) keys.push_back(key);
      run_every(evens(rows), {}, 1, every_range(keys), rows % 2 ? small : outside);  // of a published tree
    }
    for (const std::uint64_t rows : {4, 9}) {
      INFO("fan-out ", fan_out, ", rows ", rows);
      // What was written before the range, in the same version or the one before, and what comes after it.
      run_every(evens(rows), {3, 2 * rows}, 2, every_range({5, rows}), small);
      run_every(evens(rows), {rows}, 3,
                {{{}, {TestBound::exclusive, key_of(5)}},
                 {{}, {}, 2},
                 {{TestBound::inclusive, key_of(4)}, {TestBound::inclusive, key_of(rows + 1)}},
                 {{TestBound::exclusive, key_of(rows)}, {}},
                 {{}, {}}},
                outside);
    }
    for (const std::uint64_t rows : {28, 40}) {
      INFO("fan-out ", fan_out, ", rows ", rows);
      run_every(evens(rows), {}, 1, every_range({2, 6, 7, 24, rows, rows + 1, 2 * rows - 4, 2 * rows}),
                small);
    }
  }
}

TEST_CASE("exhaustive: every order of erasing eight rows") {
  auto store = make_store();
  const TableIndex table = store->add_table(shape);
  std::array<std::uint64_t, 8> order{1, 2, 3, 4, 5, 6, 7, 8};
  std::uint64_t number = 0;
  do {
    if (++number % (11 * brevity) != 0 && soak_factor() == 1) continue;
    for (std::uint64_t word = 1; word <= 8; ++word) put(*store, table, key_of(word), shape.value_bytes, word);
    for (const std::uint64_t word : order) {
      const Key key = key_of(word);
      expect(store->erase(table, key.data()), "erase misses a row");
      expect(store->find(table, key.data()) == nullptr, "an erased row is still there");
      const std::string problem = store->check();
      expect(problem.empty(), problem);
    }
    expect(store->rows(table) == 0, "rows are left");
    if (number % 16 == 0) store->commit(0, {});
  } while (std::next_permutation(order.begin(), order.end()));
}

}  // namespace exhaustive_test
}  // namespace perch::tree::test
