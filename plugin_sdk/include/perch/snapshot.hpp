// Snapshot: one version of all tables, and the ways to read it: get, scan, changes.
//
// Rows are handed out in place, by reference into the tree: nothing is copied but keys, which the tree stores
// encoded.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

#include "perch/plugin.h"
#include "perch/table.hpp"
#include "perch/types.hpp"

namespace perch {

namespace detail {

/// What a snapshot needs to find a table: the host's functions and the reader's list of tables (ends with
/// null).
struct View {
  const perch_host* host;
  const TableFacts* const* tables;

  template <class T>
  std::uint32_t index_of() const {
    for (std::uint32_t i = 0; tables[i] != nullptr; ++i) {
      if (tables[i] == &T::facts) return i;
    }
    throw std::logic_error("the reader's Tables do not list the table '" + std::string(T::name) + "'");
  }
};

[[noreturn]] inline void refused(const char* what, std::string_view table) {
  throw std::runtime_error("the host refused to open a " + std::string(what) + " of '" + std::string(table) +
                           "'");
}

/// An input iterator over a Scan or Changes: `advance()` steps to the next item and says whether there is
/// one.
template <class Source, class Item>
class PullIterator {
 public:
  using value_type = Item;
  using difference_type = std::ptrdiff_t;
  explicit PullIterator(Source& source) : source_(&source), over_(!source.advance()) {}
  Item operator*() const noexcept { return source_->item(); }
  PullIterator& operator++() {
    over_ = !source_->advance();
    return *this;
  }
  void operator++(int) { ++*this; }
  friend bool operator==(const PullIterator& it, std::default_sentinel_t) noexcept { return it.over_; }

 private:
  Source* source_;
  bool over_;
};

/// One pass over what a cursor of the host finds, for `for`. `Pass` derives from this: its fetch() takes up
/// to `batch_max` items from the host, their keys into `keys_`, and says how many; its item() is the one at
/// `at_`.
template <class Pass, class Item, class Key>
class BatchedPass {
 public:
  using Iterator = PullIterator<Pass, Item>;

  BatchedPass(const BatchedPass&) = delete;
  BatchedPass& operator=(const BatchedPass&) = delete;

  Iterator begin() { return Iterator(static_cast<Pass&>(*this)); }
  std::default_sentinel_t end() const noexcept { return {}; }

  /// Steps to the next item; false at the end. For the iterator.
  bool advance() {
    if (++at_ < count_) return true;
    count_ = static_cast<Pass&>(*this).fetch();
    at_ = 0;
    return count_ != 0;
  }

 protected:
  static constexpr std::uint32_t batch_max = 32;

  explicit BatchedPass(const perch_host* host) noexcept : host_(host) {}
  ~BatchedPass() = default;

  const perch_host* host_;
  perch_cursor cursor_;
  std::uint32_t at_ = 0;
  Key keys_[batch_max];

 private:
  std::uint32_t count_ = 0;
};

}  // namespace detail

/// A range of keys. Each bound looks at the first `fields` fields of its key (0: all of them), and then
/// covers every key that starts so: `perch::Range(processes::table).from({.ts = start}, 1)` begins with the
/// first row at or after `start`.
template <class T>
class Range {
 public:
  using Key = typename T::Key;

  explicit Range(T) noexcept {}

  Range& from(const Key& key, std::uint32_t fields = 0) { return set_from(key, fields, 0); }  ///< at or after
  Range& after(const Key& key, std::uint32_t fields = 0) {
    return set_from(key, fields, 1);
  }                                                                                       ///< strictly after
  Range& to(const Key& key, std::uint32_t fields = 0) { return set_to(key, fields, 0); }  ///< up to and with
  Range& before(const Key& key, std::uint32_t fields = 0) {
    return set_to(key, fields, 1);
  }  ///< strictly before
  /// Only keys whose first `fields` fields are those of `key`.
  Range& prefix(const Key& key, std::uint32_t fields) { return from(key, fields).to(key, fields); }
  /// From the last key to the first.
  Range& reverse() {
    c_range_.reverse = 1;
    return *this;
  }

  /// Points into this object.
  perch_range c_range() const noexcept {
    perch_range range = c_range_;
    range.struct_size = sizeof range;
    range.from = &from_;
    range.to = &to_;
    return range;
  }

 private:
  static constexpr std::uint32_t field_count = detail::LayoutOf<Key>::description.fields.size();

  static std::uint32_t checked(std::uint32_t fields) {
    if (fields > field_count) throw std::out_of_range("a range over more fields than the key has");
    return fields == 0 ? field_count : fields;
  }
  Range& set_from(const Key& key, std::uint32_t fields, std::uint8_t exclusive) {
    from_ = key;
    c_range_.from_fields = checked(fields);
    c_range_.from_exclusive = exclusive;
    return *this;
  }
  Range& set_to(const Key& key, std::uint32_t fields, std::uint8_t exclusive) {
    to_ = key;
    c_range_.to_fields = checked(fields);
    c_range_.to_exclusive = exclusive;
    return *this;
  }

  Key from_{};
  Key to_{};
  perch_range c_range_{};
};

template <class T>
struct Row {
  const typename T::Key& key;      ///< until the next step of the loop
  const typename T::Value& value;  ///< as long as the snapshot
};

/// One pass over the rows of a range, in key order: `for (const auto& [key, value] :
/// snapshot.scan(trades::table))`. Holds a cursor and room for 32 keys, about 1–3 KiB; rows come
/// from the host in runs of neighbours.
template <class T>
class Scan : public detail::BatchedPass<Scan<T>, Row<T>, typename T::Key> {
 public:
  using Key = typename T::Key;
  using Value = typename T::Value;

  Scan(const detail::View& view, const perch_snapshot* snapshot, const perch_range* range) : Pass(view.host) {
    run_.struct_size = sizeof run_;
    if (host_->scan_open(snapshot, view.index_of<T>(), range, &cursor_) != PERCH_OK)
      detail::refused("scan", T::name);
  }

  Row<T> item() const noexcept {
    const char* value =
        static_cast<const char*>(run_.values) + static_cast<std::ptrdiff_t>(at_) * run_.value_stride;
    return {keys_[at_], *reinterpret_cast<const Value*>(value)};
  }

 private:
  using Pass = detail::BatchedPass<Scan, Row<T>, Key>;
  friend Pass;
  using Pass::at_, Pass::cursor_, Pass::host_, Pass::keys_;

  std::uint32_t fetch() { return host_->scan_next(&cursor_, keys_, Pass::batch_max, &run_); }

  perch_run run_{};
};

enum class ChangeKind : std::uint32_t {
  inserted = PERCH_INSERTED,
  updated = PERCH_UPDATED,
  removed = PERCH_REMOVED
};

/// One net change of a row between two versions.
template <class T>
struct Change {
  ChangeKind kind;
  const typename T::Key& key;          ///< until the next step of the loop
  const typename T::Value* old_value;  ///< null when inserted; alive during on_commit
  const typename T::Value* new_value;  ///< null when removed; alive as long as step.current()
};

/// One pass over the changes of a table, in key order. Cost follows the number of changes.
template <class T>
class Changes : public detail::BatchedPass<Changes<T>, Change<T>, typename T::Key> {
 public:
  using Key = typename T::Key;
  using Value = typename T::Value;

  Changes(const detail::View& view, const perch_snapshot* previous, const perch_snapshot* current)
      : Pass(view.host) {
    if (host_->diff_open(previous, current, view.index_of<T>(), &cursor_) != PERCH_OK)
      detail::refused("diff", T::name);
  }

  Change<T> item() const noexcept {
    const perch_change& change = changes_[at_];
    return {static_cast<ChangeKind>(change.kind), keys_[at_], static_cast<const Value*>(change.old_value),
            static_cast<const Value*>(change.new_value)};
  }

 private:
  using Pass = detail::BatchedPass<Changes, Change<T>, Key>;
  friend Pass;
  using Pass::at_, Pass::cursor_, Pass::host_, Pass::keys_;

  std::uint32_t fetch() { return host_->diff_next(&cursor_, keys_, Pass::batch_max, changes_); }

  perch_change changes_[Pass::batch_max];
};

/// A view of one version, which never changes. Cheap to copy; keeps nothing alive: step.current() lives until
/// the next on_commit, save or stop of this reader has returned, step.previous() until this on_commit has.
/// Any thread may read it.
class Snapshot {
 public:
  Snapshot(const detail::View& view, const perch_snapshot* snapshot) noexcept
      : view_(view), snapshot_(snapshot) {}

  std::uint64_t version() const noexcept { return view_.host->snapshot_version(snapshot_); }
  timestamp_ns time() const noexcept { return {view_.host->snapshot_time_ns(snapshot_)}; }  ///< of its commit

  template <class T>
  std::uint64_t rows(T) const {
    return view_.host->table_rows(snapshot_, view_.index_of<T>());
  }
  /// The value in place, or null.
  template <class T>
  const typename T::Value* get(T, const typename T::Key& key) const {
    return static_cast<const typename T::Value*>(view_.host->get(snapshot_, view_.index_of<T>(), &key));
  }
  /// values[i] becomes what get returns for keys[i]. Several times faster than as many calls of get, for 16
  /// keys or more. Throws std::invalid_argument when the two differ in length.
  template <class T>
  void get_many(T, std::span<const typename T::Key> keys, std::span<const typename T::Value*> values) const {
    if (keys.size() != values.size()) throw std::invalid_argument("get_many: as many values as keys");
    // The host fills generic pointers; they become typed ones a group at a time.
    constexpr std::size_t group_max = 64;
    const void* found[group_max];
    const std::uint32_t table = view_.index_of<T>();
    for (std::size_t begin = 0; begin < keys.size(); begin += group_max) {
      const std::size_t group = keys.size() - begin < group_max ? keys.size() - begin : group_max;
      view_.host->get_many(snapshot_, table, keys.data() + begin, group, found);
      for (std::size_t i = 0; i < group; ++i)
        values[begin + i] = static_cast<const typename T::Value*>(found[i]);
    }
  }
  /// All rows, in key order.
  template <class T>
  Scan<T> scan(T) const {
    return Scan<T>(view_, snapshot_, nullptr);
  }
  /// Keys with from ≤ key < to.
  template <class T>
  Scan<T> scan(T table, const typename T::Key& from, const typename T::Key& to) const {
    return scan(Range(table).from(from).before(to));
  }
  template <class T>
  Scan<T> scan(const Range<T>& range) const {
    const perch_range c_range = range.c_range();
    return Scan<T>(view_, snapshot_, &c_range);
  }

 private:
  detail::View view_;
  const perch_snapshot* snapshot_;
};

/// What changed since the last on_commit: the versions (previous, current]. Alive during on_commit.
class Step {
 public:
  Step(const detail::View& view, const perch_step& step) noexcept : view_(view), step_(step) {}

  Snapshot previous() const noexcept { return {view_, step_.previous}; }
  Snapshot current() const noexcept { return {view_, step_.current}; }
  template <class T>
  Changes<T> changes(T) const {
    return Changes<T>(view_, step_.previous, step_.current);
  }

 private:
  detail::View view_;
  const perch_step& step_;
};

}  // namespace perch
