// perch: the host's own tree, used as the host uses it.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "engine.hpp"
#include "plugin_view.hpp"
#include "tree/cursor.hpp"
#include "tree/diff.hpp"
#include "tree/store.hpp"

namespace perch::bench {

namespace {

template <std::size_t words>
std::uint64_t digest_at(const std::byte* value) {
  return digest(*reinterpret_cast<const Value<words>*>(value));
}

template <std::size_t words>
class PerchReader : public Reader {
 public:
  PerchReader(tree::ReadSide& reads, tree::TableIndex table)
      : reads_(reads), slot_(reads.claim_slot()), table_(table) {}

  std::uint64_t get(std::span<const std::uint64_t> keys) override {
    const tree::Snapshot snapshot = slot_.pin();
    std::uint64_t sum = 0;
    for (const std::uint64_t& key : keys) {
      const std::byte* value = snapshot.get(table_, &key);
      if (value) sum += digest_at<words>(value);
    }
    slot_.unpin();
    return sum;
  }

  std::uint64_t get_many(std::span<const std::uint64_t> keys, std::size_t batch) override {
    const tree::Snapshot snapshot = slot_.pin();
    values_.resize(batch);
    std::uint64_t sum = 0;
    for (std::size_t at = 0; at < keys.size(); at += batch) {
      const std::size_t count = std::min(batch, keys.size() - at);
      snapshot.get_many(table_, keys.data() + at, static_cast<std::uint32_t>(count), values_.data());
      for (std::size_t i = 0; i < count; ++i)
        if (values_[i]) sum += digest_at<words>(values_[i]);
    }
    slot_.unpin();
    return sum;
  }

  std::uint64_t scan() override {
    const tree::Snapshot snapshot = slot_.pin();
    std::uint64_t sum = 0;
    tree::Cursor cursor(snapshot, table_);
    for (tree::Run run = cursor.next(); run.count != 0; run = cursor.next()) {
      const std::byte* value = run.values;
      const std::uint64_t* key = run.first_key;  // keys of one word, forwards: one after the other
      for (const std::uint64_t* const end = key + run.count; key != end; ++key, value += run.value_stride)
        sum += *key + digest_at<words>(value);
    }
    slot_.unpin();
    return sum;
  }

  std::uint64_t snapshots(std::uint64_t times) override {
    std::uint64_t with_rows = 0;
    for (std::uint64_t i = 0; i < times; ++i) {
      with_rows += slot_.pin().version() != 0;
      slot_.unpin();
    }
    return with_rows;
  }

  void stall() override { stalled_ = reads_.acquire(); }

  std::uint64_t changes_since_stall() override {
    tree::Diff diff(stalled_->snapshot(), slot_.pin(), table_, sizeof(Value<words>));
    std::uint64_t sum = 0;
    tree::Change change;
    while (diff.next(change)) {
      sum += change.key[0];
      if (change.old_value) sum += digest_at<words>(change.old_value);
      if (change.new_value) sum += digest_at<words>(change.new_value);
    }
    slot_.unpin();
    return sum;
  }

  std::uint64_t get_as_plugin(std::span<const std::uint64_t> keys) override {
    plugin_.show(slot_.pin());
    std::uint64_t sum = 0;
    for (const std::uint64_t& key : keys) {
      const void* const value = plugin_.get(&key);
      if (value) sum += digest_at<words>(static_cast<const std::byte*>(value));
    }
    slot_.unpin();
    return sum;
  }

  std::uint64_t get_many_as_plugin(std::span<const std::uint64_t> keys, std::size_t batch) override {
    plugin_.show(slot_.pin());
    plugin_values_.resize(batch);
    std::uint64_t sum = 0;
    for (std::size_t at = 0; at < keys.size(); at += batch) {
      const std::size_t count = std::min(batch, keys.size() - at);
      plugin_.get_many(keys.data() + at, count, plugin_values_.data());
      for (std::size_t i = 0; i < count; ++i)
        if (plugin_values_[i]) sum += digest_at<words>(static_cast<const std::byte*>(plugin_values_[i]));
    }
    slot_.unpin();
    return sum;
  }

 private:
  tree::ReadSide& reads_;
  tree::PinSlot slot_;
  const tree::TableIndex table_;
  std::vector<const std::byte*> values_;
  tree::SharedSnapshot stalled_;
  PluginView plugin_{words};
  std::vector<const void*> plugin_values_;
};

template <std::size_t words>
class PerchEngine : public Engine {
 public:
  PerchEngine() {
    auto store = tree::Store::create({std::uint64_t{8} << 30});
    if (!store) {
      std::fprintf(stderr, "perch: %s\n", store.error().message.c_str());
      std::exit(1);
    }
    store_ = std::move(*store);
    table_ = store_->add_table({1, sizeof(Value<words>), 0, 0});
  }

  std::unique_ptr<Reader> make_reader() override {
    return std::make_unique<PerchReader<words>>(store_->reads(), table_);
  }

  bool upsert(std::span<const std::uint64_t> keys, std::uint64_t round) override {
    // As the host does with the rows of a batch: those to come are loaded while these are written.
    constexpr std::size_t warmed_rows = 16;
    for (std::size_t at = 0; at < keys.size(); ++at) {
      if (at % warmed_rows == 0 && keys.size() > 1) {
        store_->warm(table_, keys.data() + at,
                     static_cast<std::uint32_t>(std::min(warmed_rows, keys.size() - at)));
      }
      if (!put(keys[at], round)) return false;
    }
    store_->commit(0, {});
    return true;
  }

  bool append_and_evict(std::uint64_t first_new, std::uint64_t first_old, std::uint64_t count) override {
    for (std::uint64_t i = 0; i < count; ++i)
      if (!put(first_new + i, 0)) return false;
    const std::uint64_t end = first_old + count;
    if (!store_->has_room_to_erase()) return false;
    store_->erase_range(table_, {}, {&end, false});
    store_->commit(0, {});
    return true;
  }

  Memory memory() const override {
    const tree::MemoryStats stats = store_->stats();
    return {stats.live_bytes + stats.retained_bytes + stats.free_bytes, stats.committed_bytes};
  }

 private:
  bool put(std::uint64_t key, std::uint64_t round) {
    if (!store_->has_room()) return false;
    const Value<words> value = make_value<words>(key, round);
    std::memcpy(store_->upsert(table_, &key).value, &value, sizeof value);
    return true;
  }

  std::unique_ptr<tree::Store> store_;
  tree::TableIndex table_ = 0;
};

}  // namespace

std::unique_ptr<Engine> make_perch_engine(ValueSize size);
std::unique_ptr<Engine> make_perch_engine(ValueSize size) { return make_for<PerchEngine>(size); }

}  // namespace perch::bench
