#include "reading/snapshot_access.hpp"

#include <algorithm>
#include <new>
#include <type_traits>

#include "base/assert.hpp"
#include "tree/cursor.hpp"
#include "tree/diff.hpp"

namespace perch::reading {
namespace {

constexpr std::uint64_t scan_tag = 0x6e616373'68637270;  // tells an opened cursor from any other memory
constexpr std::uint64_t diff_tag = 0x66666964'68637270;
constexpr std::uint64_t failed_tag = 0x6c696166'68637270;

/// What lies in a perch_cursor. Plugins may copy cursors as plain memory.
struct ScanState {
  std::uint64_t tag;
  const perch_snapshot* snapshot;
  tree::Version version;
  const tables::Table* table;
  tree::Cursor cursor;
};
struct DiffState {
  std::uint64_t tag;
  const perch_snapshot* snapshot;  // the current one, which outlives the previous one
  const perch_snapshot* previous;
  tree::Version version;
  const tables::Table* table;
  tree::Diff diff;
};
static_assert(sizeof(ScanState) <= sizeof(perch_cursor) && sizeof(DiffState) <= sizeof(perch_cursor));
static_assert(alignof(ScanState) <= alignof(perch_cursor) && alignof(DiffState) <= alignof(perch_cursor));
static_assert(std::is_trivially_copyable_v<ScanState> && std::is_trivially_copyable_v<DiffState>);

// ---- The rules. What breaks one is told, and the call does nothing.

constexpr const char* no_table = "with a table index that is not in the plugin's manifest";
constexpr const char* null_pointer = "with a null pointer where there must be one";
constexpr const char* no_size = "with a struct whose struct_size is too small";
constexpr const char* not_opened = "with a cursor that was not opened for it";
constexpr const char* outlived = "with a cursor whose snapshot is no longer alive";

/// For what belongs to no snapshot.
void report(const char* function, const char* what) noexcept {
  RuleBreaches::of_this_thread().report(function, what);
}

bool is_alive(const perch_snapshot* snapshot, const char* function) noexcept {
  if (snapshot != nullptr && snapshot->tag == perch_snapshot::alive) return true;
  if (snapshot != nullptr && snapshot->tag == perch_snapshot::dead) {
    snapshot->tables->breaches().report(function, "with a snapshot that is no longer alive");
  } else {
    report(function, snapshot == nullptr ? "with a null snapshot" : "with something that is no snapshot");
  }
  return false;
}

/// The table of a live snapshot, or null.
const tables::Table* find_table(const perch_snapshot* snapshot, std::uint32_t index,
                                const char* function) noexcept {
  if (!is_alive(snapshot, function)) return nullptr;
  const tables::Table* const table = snapshot->tables->find(index);
  if (table == nullptr) snapshot->tables->breaches().report(function, no_table);
  return table;
}

bool is_same_version(const perch_snapshot* snapshot, tree::Version version) noexcept {
  return snapshot->tag == perch_snapshot::alive && snapshot->view.version() == version;
}

/// The cursor's state, or null when it was not opened as that kind, or has outlived its snapshot.
template <class State>
State* opened(perch_cursor* cursor, std::uint64_t tag, const char* function) noexcept {
  if (cursor == nullptr) {
    report(function, null_pointer);
    return nullptr;
  }
  if (cursor->opaque[0] != tag) {
    // One whose opening failed is at its end.
    if (cursor->opaque[0] != failed_tag) report(function, not_opened);
    return nullptr;
  }
  State* const state = std::launder(reinterpret_cast<State*>(cursor->opaque));
  if (is_same_version(state->snapshot, state->version)) return state;
  state->snapshot->tables->breaches().report(function, outlived);
  return nullptr;
}

// ---- perch_host

std::uint64_t snapshot_version(const perch_snapshot* snapshot) noexcept {
  return is_alive(snapshot, "snapshot_version") ? snapshot->view.version() : 0;
}
std::int64_t snapshot_time_ns(const perch_snapshot* snapshot) noexcept {
  return is_alive(snapshot, "snapshot_time_ns") ? snapshot->view.commit_time_ns() : 0;
}

std::uint64_t table_rows(const perch_snapshot* snapshot, std::uint32_t index) noexcept {
  const tables::Table* const table = find_table(snapshot, index, "table_rows");
  return table != nullptr ? snapshot->view.rows(table->index()) : 0;
}

const void* get(const perch_snapshot* snapshot, std::uint32_t index, const void* key) noexcept {
  const tables::Table* const table = find_table(snapshot, index, "get");
  if (table == nullptr) return nullptr;
  if (key == nullptr) {
    snapshot->tables->breaches().report("get", null_pointer);
    return nullptr;
  }
  std::uint64_t words[tree::key_words_max];
  if (!table->codec().encode(static_cast<const std::byte*>(key), words)) return nullptr;
  return snapshot->view.get(table->index(), words);
}

void get_many(const perch_snapshot* snapshot, std::uint32_t index, const void* keys, std::size_t count,
              const void** values) noexcept {
  if (count == 0) return;
  const tables::Table* const table = find_table(snapshot, index, "get_many");
  const bool has_null = keys == nullptr || values == nullptr;
  if (table != nullptr && has_null) snapshot->tables->breaches().report("get_many", null_pointer);
  if (values == nullptr) return;
  if (table == nullptr || has_null) {
    std::fill_n(values, count, nullptr);
    return;
  }
  const tables::KeyCodec& codec = table->codec();
  const auto* record = static_cast<const std::byte*>(keys);
  constexpr std::size_t group_max = 64;  // bounds the stack: 4.5 KiB
  std::uint64_t words[group_max * tree::key_words_max];
  const std::byte* found[group_max];
  for (std::size_t begin = 0; begin < count; begin += group_max) {
    const std::size_t group = std::min(group_max, count - begin);
    for (std::size_t i = 0; i < group; ++i, record += codec.record_size()) {
      std::uint64_t* const key_words = words + i * codec.words();
      // A key that is NaN is in no table, and neither are words of zeros where a key has floats: they are a
      // NaN too.
      if (!codec.encode(record, key_words)) std::fill_n(key_words, codec.words(), 0);
    }
    snapshot->view.get_many(table->index(), words, static_cast<std::uint32_t>(group), found);
    std::copy_n(found, group, values + begin);
  }
}

/// One end of a range as a bound of the tree. With a prefix of the key the bound is the smallest or largest
/// key that begins so. False: a field is NaN, or the numbers make no sense.
bool make_bound(const tables::KeyCodec& codec, const void* record, std::uint32_t fields, bool exclusive,
                bool is_low, std::uint64_t* words, tree::Bound& bound) noexcept {
  if (fields == 0) return true;
  if (fields > codec.field_count() || record == nullptr) return false;
  const std::uint8_t fill =
      is_low == exclusive ? 0xff : 0x00;  // an exclusive low bound lies behind all such keys
  if (!codec.encode_prefix(static_cast<const std::byte*>(record), fields, fill, words)) return false;
  bound = {words, !exclusive};
  return true;
}

perch_result scan_open(const perch_snapshot* snapshot, std::uint32_t index, const perch_range* range,
                       perch_cursor* cursor) noexcept {
  if (cursor == nullptr) {
    report("scan_open", null_pointer);
    return PERCH_FAILED;
  }
  cursor->opaque[0] = failed_tag;
  const tables::Table* const table = find_table(snapshot, index, "scan_open");
  if (table == nullptr) return PERCH_FAILED;
  std::uint64_t low_words[tree::key_words_max];
  std::uint64_t high_words[tree::key_words_max];
  tree::Bound low;
  tree::Bound high;
  bool reverse = false;
  if (range != nullptr) {
    if (range->struct_size < sizeof(perch_range)) {
      snapshot->tables->breaches().report("scan_open", no_size);
      return PERCH_FAILED;
    }
    const tables::KeyCodec& codec = table->codec();
    if (!make_bound(codec, range->from, range->from_fields, range->from_exclusive != 0, true, low_words,
                    low) ||
        !make_bound(codec, range->to, range->to_fields, range->to_exclusive != 0, false, high_words, high)) {
      return PERCH_FAILED;
    }
    reverse = range->reverse != 0;
  }
  new (cursor->opaque) ScanState{scan_tag, snapshot, snapshot->view.version(), table,
                                 tree::Cursor(snapshot->view, table->index(), low, high, reverse)};
  return PERCH_OK;
}

std::uint32_t scan_next(perch_cursor* cursor, void* keys, std::uint32_t max_rows, perch_run* run) noexcept {
  ScanState* const state = opened<ScanState>(cursor, scan_tag, "scan_next");
  if (state == nullptr || max_rows == 0) return 0;
  if (run == nullptr || run->struct_size < sizeof(perch_run)) {
    state->snapshot->tables->breaches().report("scan_next", run == nullptr ? null_pointer : no_size);
    return 0;
  }
  const tree::Run found = state->cursor.next(max_rows);
  run->count = found.count;
  run->values = found.values;
  run->value_stride = found.value_stride;
  if (keys != nullptr) {
    const tables::KeyCodec& codec = state->table->codec();
    auto* record = static_cast<std::byte*>(keys);
    std::uint64_t words[tree::key_words_max];
    for (std::uint32_t row = 0; row < found.count; ++row, record += codec.record_size()) {
      found.copy_key(row, codec.words(), words);
      codec.decode(words, record);
    }
  }
  return found.count;
}

perch_result diff_open(const perch_snapshot* previous, const perch_snapshot* current, std::uint32_t index,
                       perch_cursor* cursor) noexcept {
  if (cursor == nullptr) {
    report("diff_open", null_pointer);
    return PERCH_FAILED;
  }
  cursor->opaque[0] = failed_tag;
  const tables::Table* const table = find_table(current, index, "diff_open");
  if (table == nullptr || !is_alive(previous, "diff_open")) return PERCH_FAILED;
  if (previous->tables != current->tables || previous->view.version() > current->view.version()) {
    current->tables->breaches().report("diff_open", "with snapshots of two readers, or in the wrong order");
    return PERCH_FAILED;
  }
  // The host's whole record is compared: a row that changed in a field the plugin does not know is a change
  // too.
  new (cursor->opaque)
      DiffState{diff_tag, current,
                previous, current->view.version(),
                table,    tree::Diff(previous->view, current->view, table->index(), table->value().size())};
  return PERCH_OK;
}

std::uint32_t diff_next(perch_cursor* cursor, void* keys, std::uint32_t max_changes,
                        perch_change* changes) noexcept {
  DiffState* const state = opened<DiffState>(cursor, diff_tag, "diff_next");
  if (state == nullptr || max_changes == 0) return 0;
  if (changes == nullptr || state->previous->tag != perch_snapshot::alive) {
    state->snapshot->tables->breaches().report("diff_next", changes == nullptr ? null_pointer : outlived);
    return 0;
  }
  const tables::KeyCodec& codec = state->table->codec();
  auto* record = static_cast<std::byte*>(keys);
  std::uint32_t count = 0;
  tree::Change change;
  for (; count < max_changes && state->diff.next(change); ++count) {
    changes[count] = {static_cast<std::uint32_t>(change.kind), 0, change.old_value, change.new_value};
    if (record != nullptr) codec.decode(change.key, record + std::size_t{count} * codec.record_size());
  }
  return count;
}

static_assert(static_cast<int>(tree::ChangeKind::inserted) == PERCH_INSERTED &&
              static_cast<int>(tree::ChangeKind::updated) == PERCH_UPDATED &&
              static_cast<int>(tree::ChangeKind::removed) == PERCH_REMOVED);

}  // namespace

void fill_snapshot_functions(perch_host& host) noexcept {
  host.snapshot_version = snapshot_version;
  host.snapshot_time_ns = snapshot_time_ns;
  host.table_rows = table_rows;
  host.get = get;
  host.scan_open = scan_open;
  host.scan_next = scan_next;
  host.diff_open = diff_open;
  host.diff_next = diff_next;
  host.get_many = get_many;
}

}  // namespace perch::reading
