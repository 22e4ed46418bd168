// A reader beside the writer. Both need an engine of their own: how much is written differs from engine to
// engine.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>

#include "measuring.hpp"
#include "workload.hpp"

namespace perch::bench {

namespace {

using Clock = std::chrono::steady_clock;

double megabytes(std::uint64_t bytes) { return static_cast<double>(bytes) / 1e6; }

}  // namespace

/// A thread gets rows at random, 64 a snapshot (16 a call where the engine has one), while another upserts as
/// fast as it can, 64 a commit.
std::vector<Measurement> read_while_write(LoadedEngine& shared, std::uint64_t pass) {
  constexpr std::uint64_t batch = 64;
  constexpr auto duration = std::chrono::milliseconds(1000);
  LoadedEngine loaded(shared.kind(), shared.rows(), shared.value_size());
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
      sum += reader->get_many(std::span(read_keys).subspan(reads % read_keys.size(), batch), 16);
  });
  std::uint64_t writes = 0;
  for (; Clock::now() - since < duration; writes += batch) {
    const std::size_t at = writes % written_keys.size();
    loaded.expect_room(loaded.engine().upsert(std::span(written_keys).subspan(at, batch), 1));
  }
  done.store(true, std::memory_order_relaxed);
  reader_thread.join();
  const double seconds = std::chrono::duration<double>(Clock::now() - since).count();
  loaded.note_rows(std::span(written_rows).first(std::min<std::size_t>(writes, written_rows.size())), 1);
  loaded.expect_sum(loaded.reader().scan(), loaded.expected_scan(), "what was written beside reading");
  return {{"M reads/s", static_cast<double>(reads) / seconds / 1e6},
          {"M writes/s", static_cast<double>(writes) / seconds / 1e6}};
}

/// What one and a half updates per row, one a commit, take beside a reader that never moves on. Ends early at
/// memory_limit_bytes: then the updates done tell.
std::vector<Measurement> stalled_reader_memory(LoadedEngine& shared, std::uint64_t pass) {
  LoadedEngine loaded(shared.kind(), shared.rows(), shared.value_size());
  const std::uint64_t before = loaded.engine().memory().block_bytes;
  const auto stalled = loaded.engine().make_reader();
  stalled->stall();
  const auto rows = random_rows(loaded.rows() * 3 / 2, loaded.rows(), pass + 5);
  const auto keys = keys_of(rows);
  std::size_t done = 0;
  while (done < keys.size() && loaded.engine().upsert(std::span(keys).subspan(done, 1), 1)) ++done;
  const std::uint64_t after = loaded.engine().memory().block_bytes;
  loaded.note_rows(std::span(rows).first(done), 1);
  loaded.expect_sum(loaded.reader().scan(), loaded.expected_scan(),
                    "what was written beside a stalled reader");
  return {{"MB before", megabytes(before)},
          {"MB after", megabytes(after)},
          {"M updates", static_cast<double>(done) / 1e6}};
}

}  // namespace perch::bench
