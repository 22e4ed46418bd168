#include "workload.hpp"

#include <time.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>

namespace perch::bench {

namespace {

using Clock = std::chrono::steady_clock;

/// Processor time of this thread: what other programs on the machine take meanwhile does not count. (Their
/// pressure on caches and memory does: compare engines of one run.)
class ThreadTimer {
 public:
  double elapsed_ns() const { return now_ns() - begin_ns_; }

 private:
  static double now_ns() {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
  }
  const double begin_ns_ = now_ns();
};

/// A wrong result makes every number worthless: the run ends.
void expect_equal(std::uint64_t actual, std::uint64_t expected, const LoadedEngine& loaded,
                  const char* what) {
  if (actual == expected) return;
  std::fprintf(stderr, "%s: wrong checksum of %s\n", loaded.kind().name.c_str(), what);
  std::exit(1);
}

void expect_room(bool had_room, const LoadedEngine& loaded) {
  if (had_room) return;
  std::fprintf(stderr, "%s: the store is full\n", loaded.kind().name.c_str());
  std::exit(1);
}

/// `count` rows at random (splitmix64; Steele, Lea, Flood 2014).
std::vector<std::uint64_t> random_rows(std::uint64_t count, std::uint64_t rows, std::uint64_t seed) {
  std::vector<std::uint64_t> picked(count);
  std::uint64_t state = seed * 0x2545'F491'4F6C'DD1D;
  for (std::uint64_t& row : picked) {
    std::uint64_t x = state += 0x9E37'79B9'7F4A'7C15;
    x = (x ^ (x >> 30)) * 0xBF58'476D'1CE4'E5B9;
    x = (x ^ (x >> 27)) * 0x94D0'49BB'1331'11EB;
    row = (x ^ (x >> 31)) % rows;
  }
  return picked;
}

std::vector<std::uint64_t> keys_of(std::span<const std::uint64_t> rows) {
  std::vector<std::uint64_t> keys(rows.size());
  std::transform(rows.begin(), rows.end(), keys.begin(), key_of_row);
  return keys;
}

std::vector<Measurement> per_row(double total_ns, std::uint64_t rows) {
  return {{"ns/row", total_ns / static_cast<double>(rows)}};
}

std::vector<Measurement> get_random(LoadedEngine& loaded, std::uint64_t pass) {
  const auto rows = random_rows(1'000'000, loaded.rows(), pass + 1);
  const auto keys = keys_of(rows);
  const ThreadTimer timer;
  const std::uint64_t sum = loaded.reader().get(keys);
  const double total_ns = timer.elapsed_ns();
  expect_equal(sum, loaded.expected_get(rows), loaded, "get_random");
  return per_row(total_ns, keys.size());
}

std::vector<Measurement> scan(LoadedEngine& loaded, std::uint64_t) {
  constexpr std::uint64_t scans = 5;
  std::uint64_t sum = 0;
  const ThreadTimer timer;
  for (std::uint64_t i = 0; i < scans; ++i) sum += loaded.reader().scan();
  const double total_ns = timer.elapsed_ns();
  expect_equal(sum, scans * loaded.expected_scan(), loaded, "scan");
  return per_row(total_ns, scans * loaded.rows());
}

std::vector<Measurement> snapshot(LoadedEngine& loaded, std::uint64_t) {
  constexpr std::uint64_t times = 2'000'000;
  const ThreadTimer timer;
  const std::uint64_t with_rows = loaded.reader().snapshots(times);
  const double total_ns = timer.elapsed_ns();
  expect_equal(with_rows, times, loaded, "snapshot");
  return {{"ns", total_ns / times}};
}

/// Updates rows at random, `batch` rows a commit.
template <std::uint64_t batch>
std::vector<Measurement> upsert_random(LoadedEngine& loaded, std::uint64_t pass) {
  constexpr std::uint64_t count = (batch < 64 ? 200'000 : 500'000) / batch * batch;
  const std::uint64_t round = pass * 10'000 + batch;
  const auto rows = random_rows(count, loaded.rows(), round);
  const auto keys = keys_of(rows);
  const ThreadTimer timer;
  for (std::uint64_t at = 0; at < count; at += batch) {
    expect_room(loaded.engine().upsert(std::span(keys).subspan(at, batch), round), loaded);
  }
  const double total_ns = timer.elapsed_ns();
  loaded.note_rows(rows, round);
  expect_equal(loaded.reader().scan(), loaded.expected_scan(), loaded, "what was upserted");
  return per_row(total_ns, count);
}

/// A window of a tenth of the rows: 256 rows a commit come at its end, as many go at its beginning.
std::vector<Measurement> window_append_evict(LoadedEngine& loaded, std::uint64_t) {
  constexpr std::uint64_t batch = 256;
  const std::uint64_t window = std::max<std::uint64_t>(loaded.rows() / 10, 4 * batch);
  const std::uint64_t count = loaded.rows() / batch * batch;
  const auto engine = loaded.kind().make();
  std::vector<std::uint64_t> keys(window);
  for (std::uint64_t i = 0; i < window; ++i) keys[i] = i;
  expect_room(engine->upsert(keys, 0), loaded);
  const ThreadTimer timer;
  for (std::uint64_t at = 0; at < count; at += batch) {
    expect_room(engine->append_and_evict(window + at, at, batch), loaded);
  }
  const double total_ns = timer.elapsed_ns();
  std::uint64_t expected = 0;
  for (std::uint64_t key = count; key < count + window; ++key) expected += key + digest(make_value(key, 0));
  expect_equal(engine->make_reader()->scan(), expected, loaded, "the window");
  return per_row(total_ns, count);
}

/// A thread gets rows at random, 64 a snapshot, while another upserts as fast as it can, 64 a commit.
std::vector<Measurement> read_while_write(LoadedEngine& shared, std::uint64_t pass) {
  constexpr std::uint64_t batch = 64;
  constexpr auto duration = std::chrono::milliseconds(1000);
  LoadedEngine loaded(shared.kind(), shared.rows());  // how much is written differs: an instance of its own
  const auto read_keys = keys_of(random_rows(1 << 20, loaded.rows(), pass + 77));
  const auto written_rows = random_rows(1 << 20, loaded.rows(), pass + 99);
  const auto written_keys = keys_of(written_rows);
  std::atomic<bool> done{false};
  std::uint64_t reads = 0;
  std::uint64_t sum = 0;
  const auto since = Clock::now();
  std::thread reader_thread([&] {
    const auto reader = loaded.engine().make_reader();
    for (; !done.load(std::memory_order_relaxed); reads += batch)  // only ends the loop; join orders the rest
      sum += reader->get(std::span(read_keys).subspan(reads % read_keys.size(), batch));
  });
  std::uint64_t writes = 0;
  for (; Clock::now() - since < duration; writes += batch) {
    const std::size_t at = writes % written_keys.size();
    expect_room(loaded.engine().upsert(std::span(written_keys).subspan(at, batch), pass + 1), loaded);
  }
  done.store(true, std::memory_order_relaxed);
  reader_thread.join();
  const double seconds = std::chrono::duration<double>(Clock::now() - since).count();
  loaded.note_rows(std::span(written_rows).first(std::min<std::size_t>(writes, written_rows.size())),
                   pass + 1);
  expect_equal(loaded.reader().scan(), loaded.expected_scan(), loaded, "what was written beside reading");
  return {{"M reads/s", static_cast<double>(reads) / seconds / 1e6},
          {"M writes/s", static_cast<double>(writes) / seconds / 1e6}};
}

/// What 1.5 million updates, one a commit, take beside a reader that never moves on.
std::vector<Measurement> stalled_reader_memory(LoadedEngine& shared, std::uint64_t pass) {
  LoadedEngine loaded(shared.kind(), shared.rows());
  const double at_first = static_cast<double>(loaded.engine().memory_bytes().value_or(0)) / 1e6;
  const auto stalled = loaded.engine().make_reader();
  stalled->stall();
  const auto keys = keys_of(random_rows(loaded.rows() * 3 / 2, loaded.rows(), pass + 5));
  std::uint64_t done = 0;
  while (done < keys.size() && loaded.engine().upsert(std::span(keys).subspan(done, 1), 1)) ++done;
  return {{"MB before", at_first},
          {"MB after", static_cast<double>(loaded.engine().memory_bytes().value_or(0)) / 1e6},
          {"M updates", static_cast<double>(done) / 1e6}};
}

}  // namespace

LoadedEngine::LoadedEngine(const EngineKind& kind, std::uint64_t rows)
    : kind_(kind), rounds_(rows), engine_(kind.make()), reader_(engine_->make_reader()) {
  std::vector<std::uint64_t> batch;
  for (std::uint64_t row = 0; row < rows;) {
    batch.clear();
    for (; row < rows && batch.size() < 1024; ++row) batch.push_back(key_of_row(row));
    expect_room(engine_->upsert(batch, 0), *this);
  }
  expect_equal(reader_->scan(), expected_scan(), *this, "what was loaded");
}

void LoadedEngine::note_rows(std::span<const std::uint64_t> rows, std::uint64_t round) {
  for (const std::uint64_t row : rows) rounds_[row] = round;
}

std::uint64_t LoadedEngine::expected_get(std::span<const std::uint64_t> rows) const {
  std::uint64_t sum = 0;
  for (const std::uint64_t row : rows) sum += digest(make_value(key_of_row(row), rounds_[row]));
  return sum;
}

std::uint64_t LoadedEngine::expected_scan() const {
  std::uint64_t sum = 0;
  for (std::uint64_t row = 0; row < rounds_.size(); ++row)
    sum += key_of_row(row) + digest(make_value(key_of_row(row), rounds_[row]));
  return sum;
}

const std::vector<Workload>& workloads() {
  static const std::vector<Workload> all = {
      {"get_random", false, false, get_random},
      {"scan", false, false, scan},
      {"snapshot", false, false, snapshot},
      {"upsert_random_1", false, false, upsert_random<1>},
      {"upsert_random_16", false, false, upsert_random<16>},
      {"upsert_random_64", false, false, upsert_random<64>},
      {"upsert_random_1024", false, false, upsert_random<1024>},
      {"window_append_evict", false, false, window_append_evict},
      {"read_while_write", false, false, read_while_write},
      {"stalled_reader_memory", true, true, stalled_reader_memory},
  };
  return all;
}

}  // namespace perch::bench
