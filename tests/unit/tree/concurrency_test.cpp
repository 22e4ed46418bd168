// One writer against readers on other threads: rows verify themselves, sums verify versions. For
// ThreadSanitizer too.
#include <algorithm>
#include <atomic>
#include <mutex>
#include <thread>

#include "support.hpp"

namespace perch::tree::test {

namespace concurrency_test {

/// A row of the data table, in larger values followed by words made from its hash. Whoever reads a torn,
/// stale or recycled one sees it by itself.
struct Row {
  std::uint64_t key;
  std::uint64_t generation;
  std::uint64_t hash;
  std::uint64_t filler;

  static Row make(std::uint64_t key, std::uint64_t generation) {
    return {key, generation, mix(key ^ mix(generation)), ~generation};
  }
  bool is_whole() const { return hash == mix(key ^ mix(generation)) && filler == ~generation; }

  void write(std::byte* value, std::uint32_t value_bytes) const {
    std::memcpy(value, this, sizeof *this);
    for (std::uint32_t at = sizeof *this; at < value_bytes; at += 8) {
      const std::uint64_t word = hash + at;
      std::memcpy(value + at, &word, sizeof word);
    }
  }
  /// Of a broken value, a row that is not whole.
  static Row read(const std::byte* value, std::uint32_t value_bytes) {
    Row row;
    std::memcpy(&row, value, sizeof row);
    for (std::uint32_t at = sizeof row; at < value_bytes; at += 8) {
      std::uint64_t word;
      std::memcpy(&word, value + at, sizeof word);
      if (word != row.hash + at) row.filler = row.generation;
    }
    return row;
  }
};

/// The one row of the second table: what the first holds, written in the same commit.
struct Totals {
  std::uint64_t rows;
  std::uint64_t generation_sum;
  std::uint64_t key_sum;
  bool operator==(const Totals&) const = default;
};

constexpr TableShape totals_shape{2, sizeof(Totals), 3, 3};
constexpr Key totals_key{7, 7};

/// Failures of all threads; doctest's assertions are for the main thread alone.
class Failures {
 public:
  void require(bool condition, const char* message) {
    if (condition) return;
    const std::lock_guard lock(mutex_);
    if (messages_.size() < 20) messages_.emplace_back(message);
    failed_.store(true, std::memory_order_relaxed);  // only stops the others early
  }
  bool any() const { return failed_.load(std::memory_order_relaxed); }
  void report() const {
    for (const std::string& message : messages_) FAIL_CHECK(message);
  }

 private:
  std::mutex mutex_;
  std::vector<std::string> messages_;
  std::atomic<bool> failed_{false};
};

struct Plan {
  std::uint32_t fan_out;
  std::uint64_t domain;  ///< of keys; or the length of the window
  std::uint64_t commits;
  std::uint64_t batch;  ///< steps per commit
  std::uint32_t value_bytes = sizeof(Row);
  bool is_window = false;  ///< keys ascend, the oldest are evicted
};

class Stage {
 public:
  explicit Stage(const Plan& plan)
      : plan_(plan),
        shape_{1, plan.value_bytes, plan.fan_out, plan.fan_out},
        store_(make_store()),
        data_(store_->add_table(shape_)),
        totals_(store_->add_table(totals_shape)) {}

  Store& store() { return *store_; }
  const Failures& failures() const { return failures_; }
  std::uint64_t reads() const { return reads_.load(); }

  /// Random upserts and erases, of single rows and of ranges, the totals kept, a commit each batch.
  void write(std::uint64_t commits, std::uint64_t seed) {
    Random random(seed);
    for (std::uint64_t commit = 1; commit <= commits && !failures_.any(); ++commit) {
      for (std::uint64_t step = 0; step < plan_.batch; ++step)
        plan_.is_window ? write_window(random, commit) : write_anywhere(random, commit);
      failures_.require(store_->has_room(), "the arena is full");
      const Placed placed = store_->upsert(totals_, totals_key.data());
      std::memcpy(placed.value, &written_, sizeof written_);
      store_->commit(static_cast<std::int64_t>(commit), {});
    }
    done_.store(true);
  }

  /// Pins, scans, gets and diffs until the writer is done, and once more.
  void read(std::uint64_t seed) {
    Random random(seed);
    PinSlot slot = store_->reads().claim_slot();
    Version seen = 0;
    SharedSnapshot previous = store_->reads().acquire();
    for (bool last = false; !last && !failures_.any();) {
      last = done_.load();
      const Snapshot snapshot = slot.pin();
      failures_.require(snapshot.version() >= seen, "a version older than one seen before");
      failures_.require(snapshot.version() == static_cast<std::uint64_t>(snapshot.commit_time_ns()),
                        "the commit time is another version's");
      seen = snapshot.version();
      const Totals first = verify(snapshot, random.chance(50));
      get_some(snapshot, random);
      failures_.require(first == verify(snapshot, random.chance(50)), "a pinned snapshot changed");
      if (random.chance(30)) slot.unpin();

      SharedSnapshot current = store_->reads().acquire();
      failures_.require(current->snapshot().version() >= seen,
                        "a shared snapshot older than one seen before");
      verify_diff(previous->snapshot(), current->snapshot());
      if (random.chance(50)) previous = pass_on(std::move(current), random);
      reads_.fetch_add(1, std::memory_order_relaxed);
    }
  }

 private:
  void write_anywhere(Random& random, std::uint64_t generation) {
    const std::uint64_t key = random.below(plan_.domain);
    if (random.below(50) == 0) {
      erase_range(key, std::min(plan_.domain, key + random.below(plan_.domain / 10)));
    } else if (random.chance(72)) {
      upsert(key, generation);
    } else {
      erase(key);
    }
  }

  void write_window(Random& random, std::uint64_t generation) {
    if (next_key_ > first_key_ && random.chance(20)) {
      upsert(first_key_ + random.below(next_key_ - first_key_), generation);
    } else {
      upsert(next_key_++, generation);
    }
    if (next_key_ - first_key_ < plan_.domain + 20) return;
    const std::uint64_t end = next_key_ - plan_.domain;
    if (random.chance(50)) {
      erase_range(first_key_, end);
    } else {
      failures_.require(store_->has_room_to_erase(), "there is no room to erase");
      failures_.require(store_->erase_first(data_, end - first_key_) == end - first_key_,
                        "erase_first misses rows");
      for (std::uint64_t key = first_key_; key < end; ++key) forget(key);
    }
    first_key_ = end;
  }

  void upsert(std::uint64_t key, std::uint64_t generation) {
    failures_.require(store_->has_room(), "the arena is full");
    const Placed placed = store_->upsert(data_, key_of(key).data());
    if (key >= generations_.size()) generations_.resize(key + 1000);
    failures_.require(placed.inserted == (generations_[key] == 0), "upsert reports the wrong kind");
    if (!placed.inserted) {
      const Row row = Row::read(placed.value, plan_.value_bytes);
      failures_.require(row.key == key && row.is_whole(), "the writer finds a broken row");
      forget(key);
    }
    Row::make(key, generation).write(placed.value, plan_.value_bytes);
    generations_[key] = generation;
    ++written_.rows;
    written_.key_sum += key;
    written_.generation_sum += generation;
  }

  void erase(std::uint64_t key) {
    failures_.require(store_->has_room_to_erase(), "there is no room to erase");
    const bool is_there = key < generations_.size() && generations_[key] != 0;
    failures_.require(store_->erase(data_, key_of(key).data()) == is_there, "erase reports the wrong thing");
    forget(key);
  }

  void erase_range(std::uint64_t low, std::uint64_t high) {
    failures_.require(store_->has_room_to_erase(), "there is no room to erase");
    const Key low_key = key_of(low);
    const Key high_key = key_of(high);
    const std::uint64_t before = written_.rows;
    for (std::uint64_t key = low; key < high; ++key) forget(key);
    failures_.require(store_->erase_range(data_, {low_key.data(), true}, {high_key.data(), false}) ==
                          before - written_.rows,
                      "range erase misses rows, or takes too many");
  }

  /// Takes a row, where there is one, out of the totals.
  void forget(std::uint64_t key) {
    if (key >= generations_.size() || generations_[key] == 0) return;
    --written_.rows;
    written_.key_sum -= key;
    written_.generation_sum -= generations_[key];
    generations_[key] = 0;
  }

  Totals totals_of(const Snapshot& snapshot) {
    Totals totals{};
    const std::byte* value = snapshot.get(totals_, totals_key.data());
    failures_.require(value != nullptr || snapshot.version() == 0, "the totals are missing");
    if (value) std::memcpy(&totals, value, sizeof totals);
    return totals;
  }

  /// Scans the data table and compares with the totals of the same version.
  Totals verify(const Snapshot& snapshot, bool reverse) {
    Totals sums{};
    std::uint64_t before = 0;
    Cursor cursor(snapshot, data_, {}, {}, reverse);
    for (Run run = cursor.next(); run.count != 0; run = cursor.next()) {
      for (std::uint32_t i = 0; i < run.count; ++i) {
        const Row row =
            Row::read(run.values + static_cast<std::ptrdiff_t>(i) * run.value_stride, plan_.value_bytes);
        failures_.require(row.is_whole() && row.key == run.key_word(i, 0), "a broken row");
        failures_.require(row.generation <= snapshot.version(), "a row younger than its snapshot");
        failures_.require(sums.rows == 0 || (reverse ? row.key < before : row.key > before),
                          "rows out of order");
        before = row.key;
        ++sums.rows;
        sums.generation_sum += row.generation;
        sums.key_sum += row.key;
      }
    }
    failures_.require(sums.rows == snapshot.rows(data_), "the row count is not the scan's");
    failures_.require(sums == totals_of(snapshot), "a version's sums are not those committed with it");
    return sums;
  }

  void get_some(const Snapshot& snapshot, Random& random) {
    for (int i = 0; i < 50; ++i) {
      const std::uint64_t key = random.below(plan_.domain);
      const std::byte* value = snapshot.get(data_, key_of(key).data());
      if (!value) continue;
      const Row row = Row::read(value, plan_.value_bytes);
      failures_.require(row.is_whole() && row.key == key, "get finds a broken row");
    }
  }

  void verify_diff(const Snapshot& previous, const Snapshot& current) {
    Totals totals = totals_of(previous);
    Diff diff(previous, current, data_, plan_.value_bytes);
    for (Change change{}; diff.next(change);) {
      if (change.old_value) {
        const Row row = Row::read(change.old_value, plan_.value_bytes);
        failures_.require(row.is_whole() && row.key == change.key[0], "a broken old row in a diff");
        --totals.rows;
        totals.generation_sum -= row.generation;
        totals.key_sum -= row.key;
      }
      if (change.new_value) {
        const Row row = Row::read(change.new_value, plan_.value_bytes);
        failures_.require(row.is_whole() && row.key == change.key[0], "a broken new row in a diff");
        ++totals.rows;
        totals.generation_sum += row.generation;
        totals.key_sum += row.key;
      }
    }
    failures_.require(totals == totals_of(current),
                      "a diff does not lead from one version's sums to the other's");
  }

  /// Swaps a shared snapshot with whatever another reader left: they change threads, and the last holder may
  /// be any.
  SharedSnapshot pass_on(SharedSnapshot snapshot, Random& random) {
    const std::lock_guard lock(passing_);
    SharedSnapshot& place = passed_[random.below(std::size(passed_))];
    if (!place || place->snapshot().version() > snapshot->snapshot().version()) {
      place = snapshot;
      return snapshot;
    }
    std::swap(place, snapshot);
    return snapshot;
  }

  const Plan plan_;
  const TableShape shape_;
  std::unique_ptr<Store> store_;
  const TableIndex data_;
  const TableIndex totals_;
  // The writer's own.
  std::vector<std::uint64_t> generations_;  // by key; 0: no row
  Totals written_{};
  std::uint64_t first_key_ = 0;  // of the window
  std::uint64_t next_key_ = 0;

  Failures failures_;
  std::atomic<bool> done_{false};
  std::atomic<std::uint64_t> reads_{0};
  std::mutex passing_;
  SharedSnapshot passed_[3];  // guarded by passing_; goes before the store
};

void run(const Plan& plan) {
  Stage stage(plan);
  std::vector<std::thread> readers;
  for (std::uint64_t i = 0; i < 4; ++i) readers.emplace_back([&stage, i] { stage.read(i + 1); });
  std::thread writer([&] { stage.write(plan.commits * soak_factor() / brevity, 99); });
  writer.join();
  for (std::thread& reader : readers) reader.join();
  stage.failures().report();
  CHECK(stage.reads() >= 4);
  CHECK(stage.store().check() == "");
}

TEST_CASE("concurrency: readers see whole versions while the writer commits each row") {
  run({.fan_out = 3, .domain = 100, .commits = 100000, .batch = 1});
}

TEST_CASE("concurrency: readers see whole versions while the writer commits batches") {
  run({.fan_out = 0, .domain = 3000, .commits = 8000, .batch = 50});
}

TEST_CASE("concurrency: readers see whole versions of a window that slides, evicted as a range") {
  run({.fan_out = 3, .domain = 200, .commits = 40000, .batch = 4, .is_window = true});
  run({.fan_out = 0, .domain = 3000, .commits = 8000, .batch = 64, .is_window = true});
}

TEST_CASE("concurrency: readers see whole values that lie outside their leaves") {
  run({.fan_out = 3, .domain = 100, .commits = 40000, .batch = 2, .value_bytes = 320});
  run({.fan_out = 0, .domain = 500, .commits = 8000, .batch = 32, .value_bytes = 320, .is_window = true});
}

TEST_CASE("concurrency: slots are claimed and given back while the writer scans them") {
  auto store = make_store();
  const TableIndex table = store->add_table({1, 8, 3, 3});
  std::atomic<bool> done{false};
  Failures failures;
  std::vector<std::thread> readers;
  for (std::uint64_t reader = 0; reader < 4; ++reader) {
    readers.emplace_back([&, reader] {
      Random random(reader);
      while (!done.load() && !failures.any()) {
        std::vector<PinSlot> slots;  // more than a chunk's worth between the four
        for (std::uint64_t i = random.below(60); i > 0; --i) {
          slots.push_back(store->reads().claim_slot());
          const Snapshot snapshot = slots.back().pin();
          const std::byte* value = snapshot.get(table, key_of(1).data());
          failures.require(value || snapshot.version() == 0, "a row is missing");
          if (value) failures.require(stamp_of(value, 8) == snapshot.version(), "a row of another version");
        }
      }
    });
  }
  for (std::uint64_t version = 1; version <= 20000 * soak_factor() && !failures.any(); ++version) {
    put(*store, table, key_of(1), 8, version);
    store->commit(0, {});
  }
  done.store(true);
  for (std::thread& reader : readers) reader.join();
  failures.report();
  store->reclaim_all();
  CHECK(store->stats().retained_bytes == 0);
}

TEST_CASE("concurrency: a pin holds whatever the commit it came upon drops and reuses") {
  // The sharpest form of the race: each version's only node and record are looked at and freed right after
  // the next commit, and reused by the one after. A reader keeps nothing but pins.
  auto store = make_store();
  const TableIndex table = store->add_table({1, sizeof(Row), 3, 3});
  std::atomic<bool> done{false};
  std::atomic<std::uint64_t> pins{0};
  Failures failures;
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
  constexpr Version commits = 100000;  // slower; ThreadSanitizer needs no collision to see a race
#else
  constexpr Version commits = 150000;
#endif
  std::vector<std::thread> readers;
  for (int reader = 0; reader < 2; ++reader) {
    readers.emplace_back([&] {
      PinSlot slot = store->reads().claim_slot();
      std::uint64_t count = 0;
      for (; !done.load(std::memory_order_relaxed) && !failures.any(); ++count) {  // only ends the loop
        const Snapshot snapshot = slot.pin();
        const Version version = snapshot.version();
        for (int again = 0; again < 3 && version > 0; ++again) {
          Row row{};
          const std::byte* value = snapshot.get(table, key_of(1).data());
          failures.require(value != nullptr, "a pinned row is gone");
          if (value) std::memcpy(&row, value, sizeof row);
          failures.require(row.is_whole() && row.generation == version, "a pinned row was reused");
          failures.require(snapshot.version() == version, "a pinned version record was reused");
        }
        slot.unpin();
      }
      pins.fetch_add(count);
    });
  }
  for (Version version = 1; version <= commits * soak_factor() && !failures.any(); ++version) {
    failures.require(store->has_room(), "the arena is full");
    const Row row = Row::make(1, version);
    std::memcpy(store->upsert(table, key_of(1).data()).value, &row, sizeof row);
    store->commit(0, {});
    store->reclaim_all();
  }
  done.store(true, std::memory_order_relaxed);
  for (std::thread& reader : readers) reader.join();
  failures.report();
  CHECK(pins.load() > 0);
}

TEST_CASE("concurrency: memory statistics may be read by any thread") {
  auto store = make_store();
  const TableIndex table = store->add_table({1, 8, 3, 3});
  std::atomic<bool> done{false};
  std::thread watcher([&] {
    SharedSnapshot held;
    while (!done.load()) {
      const MemoryStats stats = store->stats();
      if (stats.live_bytes > stats.reserved_bytes) std::abort();
      (void)store->retained_versions();
      held = store->reads().acquire();
    }
  });
  for (std::uint64_t i = 0; i < 20000; ++i) {
    put(*store, table, key_of(i % 100), 8, i);
    store->commit(0, {});
  }
  done.store(true);
  watcher.join();
}

}  // namespace concurrency_test
}  // namespace perch::tree::test
