// Every short sequence of operations, from several starting trees at fan-out 3.
#include <algorithm>
#include <string>

#include "support.hpp"

namespace perch::tree::test {

namespace {

constexpr TableShape shape{1, 8, 3, 3};

/// One store for all sequences: making an arena costs more than thousands of them.
class Sequences {
 public:
  /// Sequences work on `keys`; each starts from the rows of `start`.
  Sequences(std::vector<std::uint64_t> start, std::vector<std::uint64_t> keys)
      : start_(std::move(start)),
        keys_(std::move(keys)),
        store_(make_store()),
        table_(store_->add_table(shape)) {}

  std::uint64_t operation_count() const { return 2 * keys_.size() + 1; }

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
    expect_equal(after->snapshot(), table_, shape, model_);
    expect_equal(before->snapshot(), table_, shape, before_model);
    expect_diff(before->snapshot(), before_model, after->snapshot(), model_, table_, shape);
    expect_diff(after->snapshot(), model_, before->snapshot(), before_model, table_, shape);
  }

 private:
  void verify(const std::string& problem) const {
    if (!problem.empty()) FAIL("sequence " << code_ << ": " << problem);
  }

  void reset() {
    while (!model_.empty()) {
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
    fill_value(placed.value, shape.value_bytes, stamp);
    model_[key] = stamp;
  }

  void step(std::uint64_t operation) {
    if (operation == 0) {
      store_->commit(0, {});
    } else if (const std::uint64_t word = keys_[(operation - 1) / 2]; operation % 2) {
      upsert(word);
    } else {
      const Key key = key_of(word);
      expect(store_->erase(table_, key.data()) == (model_.erase(key) == 1), "erase reports the wrong thing");
    }
  }

  const std::vector<std::uint64_t> start_;
  const std::vector<std::uint64_t> keys_;
  std::unique_ptr<Store> store_;
  TableIndex table_;
  Model model_;
  std::uint64_t stamps_ = 0;
  std::uint64_t code_ = 0;
};

void run_every(std::vector<std::uint64_t> start, std::vector<std::uint64_t> keys, unsigned length) {
  Sequences sequences(std::move(start), std::move(keys));
  std::uint64_t count = 1;
  for (unsigned i = 0; i < length; ++i) count *= sequences.operation_count();
  for (std::uint64_t code = 0; code < count; code += brevity) sequences.run(code, length);
}

std::vector<std::uint64_t> evens(std::uint64_t count) {
  std::vector<std::uint64_t> keys;
  for (std::uint64_t i = 1; i <= count; ++i) keys.push_back(2 * i);
  return keys;
}

}  // namespace

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

}  // namespace perch::tree::test
