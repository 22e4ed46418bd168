#include "support.hpp"

namespace perch::tree::test {

namespace {

/// Walks `cursor` along the model's rows from `row` to `end`, which are in scan order.
template <class Iterator>
void expect_scan(Cursor cursor, const TableShape& shape, Iterator row, Iterator end, std::uint32_t max_rows) {
  for (Run run = cursor.next(max_rows); run.count != 0; run = cursor.next(max_rows)) {
    expect(run.count <= max_rows, "a run is longer than asked for");
    if (run.count > 1)
      expect((run.value_stride < 0) == (run.key_step < 0), "keys and values go different ways");
    const std::byte* value = run.values;
    for (std::uint32_t i = 0; i < run.count; ++i, value += run.value_stride, ++row) {
      expect(row != end, "the scan has too many rows");
      Key key{};
      run.copy_key(i, shape.key_words, key.data());
      expect(key == row->first, "the scan has another key than the model");
      expect(value_is(value, shape.value_bytes, row->second), "the scan has another value than the model");
    }
  }
  expect(row == end, "the scan ends early");
  expect(cursor.next(max_rows).count == 0, "the scan goes on after its end");
}

}  // namespace

bool rows_are_right(const Snapshot& snapshot, TableIndex table, const TableShape& shape, std::uint64_t keys,
                    bool is_as_filled) {
  Cursor cursor(snapshot, table);
  std::uint64_t rows = 0;
  for (Run run = cursor.next(); run.count > 0; run = cursor.next()) {
    for (std::uint32_t row = 0; row < run.count; ++row, ++rows) {
      const std::byte* const value = run.values + static_cast<std::ptrdiff_t>(row) * run.value_stride;
      const std::uint64_t stamp = stamp_of(value, shape.value_bytes);
      if (run.key_word(row, 0) != rows || stamp % keys != rows || !value_is(value, shape.value_bytes, stamp))
        return false;
      if (is_as_filled && stamp != rows) return false;
    }
  }
  return rows == keys;
}

void expect_equal(const Snapshot& snapshot, TableIndex table, const TableShape& shape, const Model& model,
                  std::uint32_t max_rows) {
  expect(snapshot.rows(table) == model.size(), "the row count is not the model's");
  expect_scan(Cursor(snapshot, table), shape, model.begin(), model.end(), max_rows);
  expect_scan(Cursor(snapshot, table, {}, {}, true), shape, model.rbegin(), model.rend(), max_rows);
  for (const auto& [key, stamp] : model) {
    const std::byte* value = snapshot.get(table, key.data());
    expect(value != nullptr, "get does not find a row of the model");
    expect(value_is(value, shape.value_bytes, stamp), "get finds another value than the model");
  }
}

std::pair<Model::const_iterator, Model::const_iterator> range_of(const Model& model, const TestBound& low,
                                                                 const TestBound& high) {
  if (low.kind != TestBound::open && high.kind != TestBound::open && low.key > high.key)
    return {model.end(), model.end()};
  const auto begin = low.kind == TestBound::open        ? model.begin()
                     : low.kind == TestBound::inclusive ? model.lower_bound(low.key)
                                                        : model.upper_bound(low.key);
  const auto end = high.kind == TestBound::open        ? model.end()
                   : high.kind == TestBound::inclusive ? model.upper_bound(high.key)
                                                       : model.lower_bound(high.key);
  if (begin == model.end() || (end != model.end() && end->first < begin->first)) return {end, end};
  return {begin, end};
}

void expect_range(const Snapshot& snapshot, TableIndex table, const TableShape& shape, const Model& model,
                  const TestBound& low, const TestBound& high, bool reverse, std::uint32_t max_rows) {
  const auto [begin, end] = range_of(model, low, high);
  const Cursor cursor(snapshot, table, low.bound(), high.bound(), reverse);
  if (reverse) {
    expect_scan(cursor, shape, std::make_reverse_iterator(end), std::make_reverse_iterator(begin), max_rows);
  } else {
    expect_scan(cursor, shape, begin, end, max_rows);
  }
}

void expect_diff(const Snapshot& previous, const Model& previous_model, const Snapshot& current,
                 const Model& current_model, TableIndex table, const TableShape& shape) {
  Diff diff(previous, current, table, shape.value_bytes);
  Change change{};
  auto expect_change = [&](ChangeKind kind, const Key& key, const std::uint64_t* old_stamp,
                           const std::uint64_t* new_stamp) {
    expect(diff.next(change), "the diff ends early");
    expect(std::memcmp(change.key, key.data(), shape.key_words * 8) == 0, "the diff has another key");
    expect(change.kind == kind, "the diff has another kind of change");
    expect((change.old_value != nullptr) == (old_stamp != nullptr), "old value missing or surplus");
    expect((change.new_value != nullptr) == (new_stamp != nullptr), "new value missing or surplus");
    if (old_stamp) expect(value_is(change.old_value, shape.value_bytes, *old_stamp), "wrong old value");
    if (new_stamp) expect(value_is(change.new_value, shape.value_bytes, *new_stamp), "wrong new value");
  };
  auto left = previous_model.begin();
  auto right = current_model.begin();
  while (left != previous_model.end() || right != current_model.end()) {
    if (right == current_model.end() || (left != previous_model.end() && left->first < right->first)) {
      expect_change(ChangeKind::removed, left->first, &left->second, nullptr);
      ++left;
    } else if (left == previous_model.end() || right->first < left->first) {
      expect_change(ChangeKind::inserted, right->first, nullptr, &right->second);
      ++right;
    } else {
      if (values_differ(left->second, right->second, shape.value_bytes))
        expect_change(ChangeKind::updated, left->first, &left->second, &right->second);
      ++left;
      ++right;
    }
  }
  expect(!diff.next(change), "the diff has a change too many");
  expect(!diff.next(change), "the diff goes on after its end");
}

}  // namespace perch::tree::test
