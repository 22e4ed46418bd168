#include "fake_host.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <new>

#include "tables/layout.hpp"

namespace perch::test {
namespace {

constexpr std::uint32_t run_rows = 7;  // the tree's runs end where a leaf ends; these end all the time
constexpr std::size_t extra_stride_words = 2;  // the host's record has grown

const FrozenVersion& version_of(const perch_snapshot* snapshot) {
  return *reinterpret_cast<const FrozenVersion*>(snapshot);
}
FakeHost& host_of(void* context) { return *static_cast<FakeHost*>(context); }
std::string text_of(perch_string text) { return std::string(text.data, text.size); }

struct ScanCursor {
  const FrozenTable* table;
  std::size_t first;  // rows still to come: [first, last)
  std::size_t last;
  bool reverse;
};
static_assert(sizeof(ScanCursor) <= sizeof(perch_cursor));

struct DiffCursor {
  const FrozenTable* before;
  const FrozenTable* after;
  std::size_t before_row;
  std::size_t after_row;
};
static_assert(sizeof(DiffCursor) <= sizeof(perch_cursor));

const void* get(const perch_snapshot* snapshot, std::uint32_t index, const void* key) {
  const FrozenTable& table = version_of(snapshot).tables.at(index);
  Words words{};
  table.codec->encode(static_cast<const std::byte*>(key), words.data());
  const std::size_t row = table.lower_bound(words);
  return row < table.keys.size() && table.keys[row] == words ? table.value(row) : nullptr;
}

void get_many(const perch_snapshot* snapshot, std::uint32_t index, const void* keys, std::size_t count,
              const void** values) {
  const std::size_t record_size = version_of(snapshot).tables.at(index).codec->record_size();
  for (std::size_t i = 0; i < count; ++i)
    values[i] = get(snapshot, index, static_cast<const std::byte*>(keys) + i * record_size);
}

std::size_t bound_row(const FrozenTable& table, const void* key, std::uint32_t fields, bool behind_equal) {
  Words words{};
  table.codec->encode_prefix(static_cast<const std::byte*>(key), fields, behind_equal ? 0xff : 0x00,
                             words.data());
  return behind_equal ? table.upper_bound(words) : table.lower_bound(words);
}

perch_result scan_open(const perch_snapshot* snapshot, std::uint32_t index, const perch_range* range,
                       perch_cursor* cursor) {
  const FrozenTable& table = version_of(snapshot).tables.at(index);
  ScanCursor scan{&table, 0, table.keys.size(), false};
  if (range != nullptr) {
    REQUIRE(range->struct_size == sizeof(perch_range));
    if (range->from_fields > 0)
      scan.first = bound_row(table, range->from, range->from_fields, range->from_exclusive != 0);
    if (range->to_fields > 0)
      scan.last = bound_row(table, range->to, range->to_fields, range->to_exclusive == 0);
    scan.last = std::max(scan.first, scan.last);
    scan.reverse = range->reverse != 0;
  }
  new (cursor) ScanCursor(scan);
  return PERCH_OK;
}

std::uint32_t scan_next(perch_cursor* cursor, void* keys, std::uint32_t max_rows, perch_run* run) {
  auto& scan = *reinterpret_cast<ScanCursor*>(cursor);
  REQUIRE(run->struct_size == sizeof(perch_run));
  const auto count =
      static_cast<std::uint32_t>(std::min<std::size_t>({scan.last - scan.first, max_rows, run_rows}));
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::size_t row = scan.reverse ? scan.last - 1 - i : scan.first + i;
    const tables::KeyCodec& codec = *scan.table->codec;
    if (keys != nullptr) {
      codec.decode(scan.table->keys[row].data(),
                   static_cast<std::byte*>(keys) + i * std::size_t{codec.record_size()});
    }
  }
  const auto stride = static_cast<std::ptrdiff_t>(scan.table->stride_words * 8);
  run->count = count;
  run->values = count == 0 ? nullptr : scan.table->value(scan.reverse ? scan.last - 1 : scan.first);
  run->value_stride = scan.reverse ? -stride : stride;
  (scan.reverse ? scan.last : scan.first) += scan.reverse ? -std::size_t{count} : std::size_t{count};
  return count;
}

perch_result diff_open(const perch_snapshot* previous, const perch_snapshot* current, std::uint32_t index,
                       perch_cursor* cursor) {
  new (cursor)
      DiffCursor{&version_of(previous).tables.at(index), &version_of(current).tables.at(index), 0, 0};
  return PERCH_OK;
}

bool next_change(DiffCursor& diff, Words& key, perch_change& change) {
  while (diff.before_row < diff.before->keys.size() || diff.after_row < diff.after->keys.size()) {
    const bool before_left = diff.before_row < diff.before->keys.size();
    const bool after_left = diff.after_row < diff.after->keys.size();
    const bool take_before = before_left && (!after_left || diff.before->keys[diff.before_row] <=
                                                                diff.after->keys[diff.after_row]);
    const bool take_after = after_left && (!before_left || diff.after->keys[diff.after_row] <=
                                                               diff.before->keys[diff.before_row]);
    key = take_before ? diff.before->keys[diff.before_row] : diff.after->keys[diff.after_row];
    change.old_value = take_before ? diff.before->value(diff.before_row++) : nullptr;
    change.new_value = take_after ? diff.after->value(diff.after_row++) : nullptr;
    change.kind = !take_before ? PERCH_INSERTED : !take_after ? PERCH_REMOVED : PERCH_UPDATED;
    const bool same = change.kind == PERCH_UPDATED &&
                      std::memcmp(change.old_value, change.new_value, diff.after->stride_words * 8) == 0;
    if (!same) return true;
  }
  return false;
}

std::uint32_t diff_next(perch_cursor* cursor, void* keys, std::uint32_t max_changes, perch_change* changes) {
  auto& diff = *reinterpret_cast<DiffCursor*>(cursor);
  std::uint32_t count = 0;
  Words key{};
  while (count < std::min(max_changes, run_rows) && next_change(diff, key, changes[count])) {
    const tables::KeyCodec& codec = *diff.after->codec;
    if (keys != nullptr)
      codec.decode(key.data(), static_cast<std::byte*>(keys) + count * std::size_t{codec.record_size()});
    ++count;
  }
  return count;
}

}  // namespace

std::size_t FrozenTable::lower_bound(const Words& key) const {
  return static_cast<std::size_t>(std::lower_bound(keys.begin(), keys.end(), key) - keys.begin());
}
std::size_t FrozenTable::upper_bound(const Words& key) const {
  return static_cast<std::size_t>(std::upper_bound(keys.begin(), keys.end(), key) - keys.begin());
}

FakeHost::FakeHost(const std::vector<const detail::TableFacts*>& tables) : facts_(tables) {
  for (const detail::TableFacts* facts : tables) {
    const auto key = tables::Layout::parse(facts->key_text);
    const auto value = tables::Layout::parse(facts->value_text);
    REQUIRE(key.has_value());
    REQUIRE(value.has_value());
    tables_.push_back({tables::KeyCodec::make(*key).value(), value->size(), {}});
  }
  facts_.push_back(nullptr);
  versions_.emplace_back().tables.resize(tables_.size());
  for (std::size_t i = 0; i < tables_.size(); ++i) versions_.back().tables[i].codec = &tables_[i].codec;

  c_host_.struct_size = sizeof c_host_;
  c_host_.abi_version = PERCH_ABI_VERSION;
  c_host_.context = this;
  c_host_.log = [](void* context, std::int32_t level, const char* text, std::size_t size) {
    host_of(context).logs.emplace_back(level, std::string(text, size));
  };
  c_host_.publish = [](void* context, perch_string topic, perch_string json) -> perch_result {
    if (host_of(context).refuse_publications) return PERCH_FAILED;
    host_of(context).publications.emplace_back(text_of(topic), text_of(json));
    return PERCH_OK;
  };
  c_host_.counter_add = [](void* context, perch_string name, double amount) {
    host_of(context).metrics[text_of(name)] += amount;
  };
  c_host_.gauge_set = [](void* context, perch_string name, double value) {
    host_of(context).metrics[text_of(name)] = value;
  };
  c_host_.histogram_record = c_host_.gauge_set;
  c_host_.wake_every = [](void* context, std::uint64_t interval_ns) {
    host_of(context).wake_every_ns = interval_ns;
  };
  c_host_.snapshot_version = [](const perch_snapshot* snapshot) { return version_of(snapshot).version; };
  c_host_.snapshot_time_ns = [](const perch_snapshot* snapshot) { return version_of(snapshot).time_ns; };
  c_host_.table_rows = [](const perch_snapshot* snapshot, std::uint32_t table) {
    return std::uint64_t{version_of(snapshot).tables.at(table).keys.size()};
  };
  c_host_.get = get;
  c_host_.get_many = get_many;
  c_host_.scan_open = scan_open;
  c_host_.scan_next = scan_next;
  c_host_.diff_open = diff_open;
  c_host_.diff_next = diff_next;
}

std::uint32_t FakeHost::index_of(const detail::TableFacts* facts) const {
  const auto at =
      std::find_if(facts_.begin(), facts_.end() - 1, [&](auto* known) { return known->name == facts->name; });
  REQUIRE(at != facts_.end() - 1);
  return static_cast<std::uint32_t>(at - facts_.begin());
}

void FakeHost::put(std::uint32_t table, const void* key, const void* value, std::size_t size) {
  LiveTable& live = tables_.at(table);
  REQUIRE(size == live.value_bytes);
  Words words{};
  REQUIRE(live.codec.encode(static_cast<const std::byte*>(key), words.data()));
  std::vector<std::uint64_t>& row = live.rows[words];
  row.assign((size + 7) / 8 + extra_stride_words, 0);
  std::memcpy(row.data(), value, size);
}

void FakeHost::erase(std::uint32_t table, const void* key) {
  Words words{};
  REQUIRE(tables_.at(table).codec.encode(static_cast<const std::byte*>(key), words.data()));
  REQUIRE(tables_.at(table).rows.erase(words) == 1);
}

const FrozenVersion& FakeHost::commit(std::int64_t time_ns) {
  FrozenVersion version{versions_.back().version + 1, time_ns, {}};
  for (const LiveTable& live : tables_) {
    FrozenTable table{&live.codec, (live.value_bytes + 7) / 8 + extra_stride_words, {}, {}};
    for (const auto& [key, row] : live.rows) {
      table.keys.push_back(key);
      table.values.insert(table.values.end(), row.begin(), row.end());
    }
    version.tables.push_back(std::move(table));
  }
  versions_.push_back(std::move(version));
  return versions_.back();
}

}  // namespace perch::test
