// The first rows of a table go, at most so many, and only those below a bound.
#include <algorithm>
#include <iterator>

#include "unit/tree/support.hpp"

using namespace perch::tree;
using namespace perch::tree::test;

namespace erase_first_test {

/// `high` may be a row's own key, which goes. Erases on both sides and compares: count, rows, and what is the
/// first row now.
void erase_first(Store& store, Model& model, std::uint64_t rows, Key high, bool inclusive) {
  auto end = inclusive ? model.upper_bound(high) : model.lower_bound(high);
  const auto below = static_cast<std::uint64_t>(std::distance(model.begin(), end));
  if (rows < below) end = std::next(model.begin(), static_cast<std::ptrdiff_t>(rows));
  model.erase(model.begin(), end);
  expect(store.has_room_to_erase(), "there is no room to erase");
  const std::uint64_t erased = store.erase_first(0, rows, {high.data(), inclusive});
  expect(erased == std::min(rows, below), "erase_first reports another number of rows");
  expect(store.rows(0) == model.size(), "the row count is wrong after erase_first");
}

TEST_CASE("tree: the first rows below a bound go, at most so many") {
  Random random(17);
  for (const std::uint32_t value_bytes : {8u, 200u}) {
    TableShape shape;
    shape.key_words = 2;
    shape.value_bytes = value_bytes;
    const auto store = Store::create({.arena_bytes = std::uint64_t{64} << 20}).value();
    store->add_table(shape);
    Model model;
    std::uint64_t next = 0;
    for (int step = 0; step < 2000; ++step) {
      for (std::uint64_t i = random.below(200); i > 0; --i) {
        const Key key{next++ / 7, mix(next)};
        expect(store->has_room(), "there is no room");
        fill_value(store->upsert(0, key.data()).value, value_bytes, model[key] = next);
      }
      const std::uint64_t first = model.empty() ? 0 : model.begin()->first[0];
      const Key high{first + random.below(40), random.chance(50) ? 0 : random.next()};
      const bool is_row = !model.empty() && random.chance(20);  // the bound itself is a row
      erase_first(*store, model, random.below(200), is_row ? model.begin()->first : high, random.chance(50));
      if (random.chance(50)) store->commit(step, {});
      if (step % 100 != 0) continue;
      expect(store->check().empty(), store->check());
      for (const auto& [key, stamp] : model) {
        const std::byte* value = store->find(0, key.data());
        expect(value && value_is(value, value_bytes, stamp), "a row is lost or wrong");
      }
    }
    erase_first(*store, model, UINT64_MAX, Key{UINT64_MAX, UINT64_MAX}, true);
    CHECK(store->rows(0) == 0);
    CHECK(store->check() == "");
  }
}

}  // namespace erase_first_test
