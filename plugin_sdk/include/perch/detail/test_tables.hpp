// The tables of the test kit: every version a sorted array, small enough to be seen to be right, behind the
// reading functions of perch_host. Unkind where the interface allows it: short runs, a stride wider than the
// plugin's record, negative strides in reverse. What works here does not lean on luck.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <map>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "perch/plugin.h"
#include "perch/table.hpp"

namespace perch::detail {

/// What is to be known of a table's records at run time.
struct TestTableType {
  const TableFacts* facts;
  const Field* key_fields;
  std::size_t key_field_count;
  std::size_t key_size;
  std::size_t value_size;
};
template <class T>
inline constexpr TestTableType test_table_type{
    &T::facts, LayoutOf<typename T::Key>::description.fields.data(),
    LayoutOf<typename T::Key>::description.fields.size(), sizeof(typename T::Key), sizeof(typename T::Value)};

// Records are kept in words: no field needs more than their alignment.
using RecordWords = std::vector<std::uint64_t>;
constexpr std::size_t words_for(std::size_t bytes) noexcept { return (bytes + 7) / 8; }

template <class Number>
Number field_at(const char* record, const Field& field) noexcept {
  Number number;
  std::memcpy(&number, record + field.offset, sizeof number);
  return number;
}

/// Appends a number's bits, the highest byte first.
template <class Bits>
void append_bits(std::string& out, Bits bits) {
  for (int shift = static_cast<int>(sizeof bits) * 8 - 8; shift >= 0; shift -= 8)
    out += static_cast<char>((bits >> shift) & 0xff);
}
/// Bits whose unsigned order is the order of the numbers. −0.0 counts as +0.0; NaN is refused.
template <class Float, class Bits>
void append_float(std::string& out, Float number) {
  if (std::isnan(number)) throw std::invalid_argument("NaN in a key, which the host would reject");
  const auto bits = std::bit_cast<Bits>(number == 0 ? Float{0} : number);
  constexpr Bits sign = Bits{1} << (sizeof(Bits) * 8 - 1);
  append_bits(out, static_cast<Bits>((bits & sign) != 0 ? ~bits : bits | sign));
}
template <class Bits>
void append_integer(std::string& out, const char* record, const Field& field, bool is_signed) {
  constexpr Bits sign = static_cast<Bits>(Bits{1} << (sizeof(Bits) * 8 - 1));
  const auto bits = field_at<Bits>(record, field);
  append_bits(out, static_cast<Bits>(is_signed ? bits ^ sign : bits));
}

/// One field of a key, as bytes in the order of keys.
inline void append_encoded(std::string& out, const char* record, const Field& field) {
  if (field.type.kind == FieldKind::text) {
    const std::string_view text(record + field.offset, field.size);
    const std::size_t size = std::min(text.find('\0'), field.size);
    out.append(text.substr(0, size)).append(field.size - size, '\0');
  } else if (field.type.name == "float32") {
    append_float<float, std::uint32_t>(out, field_at<float>(record, field));
  } else if (field.type.name == "float64") {
    append_float<double, std::uint64_t>(out, field_at<double>(record, field));
  } else {
    const bool is_signed = field.type.name.starts_with("int") || field.type.kind == FieldKind::timestamp;
    if (field.size == 1) append_integer<std::uint8_t>(out, record, field, is_signed);
    if (field.size == 2) append_integer<std::uint16_t>(out, record, field, is_signed);
    if (field.size == 4) append_integer<std::uint32_t>(out, record, field, is_signed);
    if (field.size == 8) append_integer<std::uint64_t>(out, record, field, is_signed);
  }
}

/// The first `fields` fields of a key, which sort as the keys do.
inline std::string encoded_key(const TestTableType& type, const void* key, std::size_t fields) {
  std::string encoded;
  for (std::size_t i = 0; i < fields; ++i)
    append_encoded(encoded, static_cast<const char*>(key), type.key_fields[i]);
  return encoded;
}

/// A key as the host hands it out: padding zero, texts NUL-padded, −0.0 as +0.0.
inline RecordWords clean_key(const TestTableType& type, const void* key) {
  RecordWords words(words_for(type.key_size));
  auto* out = reinterpret_cast<char*>(words.data());
  const auto* in = static_cast<const char*>(key);
  for (std::size_t i = 0; i < type.key_field_count; ++i) {
    const Field& field = type.key_fields[i];
    std::size_t size = field.size;
    if (field.type.kind == FieldKind::text)
      size = std::min(std::string_view(in + field.offset, size).find('\0'), size);
    const bool is_zero = (field.type.name == "float32" && field_at<float>(in, field) == 0) ||
                         (field.type.name == "float64" && field_at<double>(in, field) == 0);
    if (!is_zero) std::memcpy(out + field.offset, in + field.offset, size);
  }
  return words;
}

/// One table of one version.
class TestTable {
 public:
  static constexpr std::uint32_t run_rows =
      7;  // the tree's runs end where a leaf ends; these end all the time
  static constexpr std::size_t extra_words = 2;  // the host's record has grown

  explicit TestTable(const TestTableType& type) noexcept
      : type_(&type), stride_words_(words_for(type.value_size) + extra_words) {}

  void append(std::string encoded, const RecordWords& key, const RecordWords& value) {
    encoded_.push_back(std::move(encoded));
    keys_.insert(keys_.end(), key.begin(), key.end());
    values_.insert(values_.end(), value.begin(), value.end());
    values_.resize(encoded_.size() * stride_words_);
  }
  void reserve(std::size_t rows) {
    encoded_.reserve(rows);
    keys_.reserve(rows * words_for(type_->key_size));
    values_.reserve(rows * stride_words_);
  }

  std::size_t rows() const noexcept { return encoded_.size(); }
  const std::string& encoded(std::size_t row) const noexcept { return encoded_[row]; }
  const void* value(std::size_t row) const noexcept { return values_.data() + row * stride_words_; }
  std::ptrdiff_t stride_bytes() const noexcept { return static_cast<std::ptrdiff_t>(stride_words_) * 8; }
  bool same_value(std::size_t row, const TestTable& other, std::size_t other_row) const noexcept {
    return std::memcmp(value(row), other.value(other_row), type_->value_size) == 0;
  }
  void copy_key(std::size_t row, void* keys, std::size_t index) const noexcept {
    if (keys == nullptr) return;
    std::memcpy(static_cast<char*>(keys) + index * type_->key_size,
                keys_.data() + row * words_for(type_->key_size), type_->key_size);
  }

  const void* find(const void* key) const {
    const std::string wanted = encoded_key(*type_, key, type_->key_field_count);
    const auto at = std::lower_bound(encoded_.begin(), encoded_.end(), wanted);
    return at != encoded_.end() && *at == wanted ? value(static_cast<std::size_t>(at - encoded_.begin()))
                                                 : nullptr;
  }
  const void* find_nth(const void* keys, std::size_t index) const {
    return find(static_cast<const char*>(keys) + index * type_->key_size);
  }
  /// The first row at or behind the keys that start with the key's first fields.
  std::size_t bound(const void* key, std::uint32_t fields, bool behind) const {
    std::string wanted = encoded_key(*type_, key, std::min<std::size_t>(fields, type_->key_field_count));
    if (behind) wanted.append(encoded_key_bytes_max, '\xff');
    return static_cast<std::size_t>(std::lower_bound(encoded_.begin(), encoded_.end(), wanted) -
                                    encoded_.begin());
  }

 private:
  const TestTableType* type_;
  std::size_t stride_words_;
  std::vector<std::string> encoded_;
  std::vector<std::uint64_t> keys_;
  std::vector<std::uint64_t> values_;
};

struct TestVersion {
  std::uint64_t version = 0;
  std::int64_t time_ns = 0;
  std::vector<TestTable> tables;
};

/// What a perch_snapshot of the kit points to: a version, with its tables in the order of the plugin's
/// manifest.
struct TestSnapshot {
  const TestVersion* version;
  const std::vector<std::size_t>* table_order;

  const perch_snapshot* c_snapshot() const noexcept { return reinterpret_cast<const perch_snapshot*>(this); }
  static const TestSnapshot& of(const perch_snapshot* snapshot) noexcept {
    return *reinterpret_cast<const TestSnapshot*>(snapshot);
  }
  const TestTable* find_table(std::uint32_t index) const noexcept {
    return index < table_order->size() ? &version->tables[(*table_order)[index]] : nullptr;
  }
};

/// The rows [first, last) are still to come.
struct TestScan {
  const TestTable* table;
  std::size_t first;
  std::size_t last;
  bool reverse;
};
struct TestDiff {
  const TestTable* before;
  const TestTable* after;
  std::size_t before_row;
  std::size_t after_row;
};
static_assert(sizeof(TestScan) <= sizeof(perch_cursor) && sizeof(TestDiff) <= sizeof(perch_cursor));

inline perch_result open_test_scan(const perch_snapshot* snapshot, std::uint32_t index,
                                   const perch_range* range, perch_cursor* cursor) noexcept {
  const TestTable* table = TestSnapshot::of(snapshot).find_table(index);
  if (table == nullptr) return PERCH_FAILED;
  TestScan scan{table, 0, table->rows(), false};
  if (range != nullptr) {
    if (range->struct_size < sizeof(perch_range)) return PERCH_FAILED;
    if (range->from_fields > 0)
      scan.first = table->bound(range->from, range->from_fields, range->from_exclusive != 0);
    if (range->to_fields > 0) scan.last = table->bound(range->to, range->to_fields, range->to_exclusive == 0);
    scan.last = std::max(scan.first, scan.last);
    scan.reverse = range->reverse != 0;
  }
  new (cursor) TestScan(scan);
  return PERCH_OK;
}

inline std::uint32_t next_test_run(perch_cursor* cursor, void* keys, std::uint32_t max_rows,
                                   perch_run* run) noexcept {
  auto& scan = *reinterpret_cast<TestScan*>(cursor);
  const auto count = static_cast<std::uint32_t>(
      std::min<std::size_t>({scan.last - scan.first, max_rows, TestTable::run_rows}));
  for (std::uint32_t i = 0; i < count; ++i)
    scan.table->copy_key(scan.reverse ? scan.last - 1 - i : scan.first + i, keys, i);
  run->count = count;
  run->values = count == 0 ? nullptr : scan.table->value(scan.reverse ? scan.last - 1 : scan.first);
  run->value_stride = scan.reverse ? -scan.table->stride_bytes() : scan.table->stride_bytes();
  if (scan.reverse) {
    scan.last -= count;
  } else {
    scan.first += count;
  }
  return count;
}

inline perch_result open_test_diff(const perch_snapshot* previous, const perch_snapshot* current,
                                   std::uint32_t index, perch_cursor* cursor) noexcept {
  const TestTable* before = TestSnapshot::of(previous).find_table(index);
  const TestTable* after = TestSnapshot::of(current).find_table(index);
  if (before == nullptr || after == nullptr) return PERCH_FAILED;
  new (cursor) TestDiff{before, after, 0, 0};
  return PERCH_OK;
}

/// Steps to the next row that differs; false at the end.
inline bool next_test_change(TestDiff& diff, void* keys, std::size_t index, perch_change& change) noexcept {
  while (diff.before_row < diff.before->rows() || diff.after_row < diff.after->rows()) {
    const bool before_left = diff.before_row < diff.before->rows();
    const bool after_left = diff.after_row < diff.after->rows();
    const int order =
        !before_left  ? 1
        : !after_left ? -1
                      : diff.before->encoded(diff.before_row).compare(diff.after->encoded(diff.after_row));
    const std::size_t before_row = diff.before_row;
    const std::size_t after_row = diff.after_row;
    if (order <= 0) ++diff.before_row;
    if (order >= 0) ++diff.after_row;
    if (order == 0 && diff.before->same_value(before_row, *diff.after, after_row)) continue;
    change.kind = order > 0 ? PERCH_INSERTED : order < 0 ? PERCH_REMOVED : PERCH_UPDATED;
    change.old_value = order <= 0 ? diff.before->value(before_row) : nullptr;
    change.new_value = order >= 0 ? diff.after->value(after_row) : nullptr;
    (order < 0 ? *diff.before : *diff.after).copy_key(order < 0 ? before_row : after_row, keys, index);
    return true;
  }
  return false;
}

inline std::uint32_t next_test_changes(perch_cursor* cursor, void* keys, std::uint32_t max_changes,
                                       perch_change* changes) noexcept {
  auto& diff = *reinterpret_cast<TestDiff*>(cursor);
  std::uint32_t count = 0;
  while (count < std::min(max_changes, TestTable::run_rows) &&
         next_test_change(diff, keys, count, changes[count]))
    ++count;
  return count;
}

/// Sets the reading functions of `host`.
inline void fill_test_reads(perch_host& host) noexcept {
  host.snapshot_version = [](const perch_snapshot* snapshot) {
    return TestSnapshot::of(snapshot).version->version;
  };
  host.snapshot_time_ns = [](const perch_snapshot* snapshot) {
    return TestSnapshot::of(snapshot).version->time_ns;
  };
  host.table_rows = [](const perch_snapshot* snapshot, std::uint32_t index) {
    const TestTable* table = TestSnapshot::of(snapshot).find_table(index);
    return table != nullptr ? std::uint64_t{table->rows()} : 0;
  };
  host.get = [](const perch_snapshot* snapshot, std::uint32_t index, const void* key) -> const void* {
    const TestTable* table = TestSnapshot::of(snapshot).find_table(index);
    return table != nullptr ? table->find(key) : nullptr;
  };
  host.get_many = [](const perch_snapshot* snapshot, std::uint32_t index, const void* keys, std::size_t count,
                     const void** values) {
    const TestTable* table = TestSnapshot::of(snapshot).find_table(index);
    for (std::size_t i = 0; i < count; ++i) values[i] = table != nullptr ? table->find_nth(keys, i) : nullptr;
  };
  host.scan_open = open_test_scan;
  host.scan_next = next_test_run;
  host.diff_open = open_test_diff;
  host.diff_next = next_test_changes;
}

}  // namespace perch::detail
