#include "ingest/writer_loop.hpp"

#include <pthread.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/units.hpp"

namespace perch::ingest {
namespace {

constexpr std::chrono::milliseconds retry_delay_min{1};
constexpr std::chrono::milliseconds retry_delay_max{10};

/// Without a row for so long, the writer looks after memory that pins have let go.
constexpr std::chrono::seconds idle_min{1};

/// Rows whose leaves are loaded together, ahead of writing them.
constexpr std::uint32_t rows_warmed = 16;

}  // namespace

WriterLoop::WriterLoop(tree::Store& store, const tables::Catalog& catalog, const IngestSpec& spec,
                       WhoRetains who_retains)
    : store_(store),
      table_count_(catalog.tables().size()),
      who_retains_(std::move(who_retains)),
      writer_(store, catalog),
      positions_(spec.sources.size()),
      uncommitted_(spec.commit_max_rows, spec.commit_max_delay, Clock::now()),
      committed_(std::make_unique<Committed[]>(spec.sources.size())),
      evicted_(std::make_unique<std::atomic<std::uint64_t>[]>(table_count_)) {}

WriterLoop::~WriterLoop() {
  PERCH_ASSERT(!thread_.joinable(), "the writer loop destroyed while its thread runs");
}

void WriterLoop::start(const std::vector<std::unique_ptr<Source>>& sources) {
  PERCH_ASSERT(sources.size() == positions_.size(), "the spec's sources are the loop's sources");
  for (const auto& source : sources) inputs_.push_back({source.get()});
  thread_ = std::thread([this] { run(); });
  ::pthread_setname_np(thread_.native_handle(), "perch-writer");
}

void WriterLoop::stop() {
  stopping_.store(true, std::memory_order_seq_cst);  // seq_cst: work of the bell (Doorbell, invariant 1)
  bell_.ring();
  if (thread_.joinable()) thread_.join();
}

void WriterLoop::run() {
  while (true) {
    // Read before the queues: what was queued when the stop was requested is seen by drain_once.
    const bool stopping = stopping_.load(std::memory_order_seq_cst);
    if (drain_once()) continue;
    if (stopping) break;
    sleep_until_due();
  }
  if (uncommitted_.rows() > 0) commit();
  std::uint64_t left = 0;
  for (std::size_t index = 0; index < inputs_.size(); ++index) {
    left += inputs_[index].source->rows() - positions_[index].rows;
  }
  if (left > 0) spdlog::error("stopped while the arena was full: {} rows are not committed", left);
}

/// One round over all sources, a batch of each. False when there was nothing to do, or no room and a stop.
bool WriterLoop::drain_once() {
  bool applied = false;
  for (std::size_t index = 0; index < inputs_.size(); ++index) applied |= apply_batch(index);
  if (uncommitted_.is_due(now_)) commit();
  return applied;
}

bool WriterLoop::apply_batch(std::size_t index) {
  Input& input = inputs_[index];
  Source& source = *input.source;
  const RowBatch* batch = source.queue().front();
  if (batch == nullptr) return false;
  now_ = Clock::now();
  idle_since_ = {};
  if (rows_waited_ == Clock::time_point{}) rows_waited_ = now_;
  const tree::TableIndex table = source.table().index();
  tree::SourcePosition& position = positions_[index];
  position.restarts = batch->run();
  std::uint32_t warmed_end = input.next_row;
  while (input.next_row < batch->size()) {
    if (input.next_row == warmed_end) warmed_end = warm_rows(source.table(), *batch, warmed_end);
    if (!writer_.has_room() && !make_room()) return false;
    writer_.upsert(table, batch->key(input.next_row), batch->value(input.next_row));
    position.bytes = batch->end(input.next_row);
    ++position.rows;
    ++input.next_row;
    uncommitted_.row_applied();
    if (uncommitted_.is_full()) commit();
  }
  input.next_row = 0;
  source.queue().pop();
  if (source.queue().size() <= BatchQueue::batches / 2) source.room_bell().ring();
  return true;
}

/// The next rows of the batch from `begin` on; returns the end of those it took. A single one gains nothing.
std::uint32_t WriterLoop::warm_rows(const tables::Table& table, const RowBatch& batch, std::uint32_t begin) {
  const std::uint32_t end = std::min(begin + rows_warmed, batch.size());
  if (end - begin < 2) return end;
  const std::uint32_t key_words = table.codec().words();
  std::uint64_t keys[rows_warmed * tree::key_words_max];  // in a batch they lie apart
  for (std::uint32_t row = begin; row < end; ++row) {
    std::copy_n(batch.key(row), key_words, keys + std::size_t{row - begin} * key_words);
  }
  writer_.warm(table.index(), keys, end - begin);
  return end;
}

void WriterLoop::commit() {
  writer_.retain();
  publish();
}

/// Without rows there are no commits, and what retention left over would stay. True: some of it went.
bool WriterLoop::evict_when_idle() {
  if (!writer_.is_behind() || writer_.retain() == 0) return false;
  publish();
  return true;
}

void WriterLoop::publish() {
  const std::int64_t commit_time_ns = unix_now_ns();
  const tree::Version version = writer_.commit(commit_time_ns, positions_);
  committed_rows_ += uncommitted_.rows();
  now_ = Clock::now();
  uncommitted_.committed(now_);
  if (rows_waited_ != Clock::time_point{}) {
    gaps_.record((now_ - rows_waited_).count());
    rows_waited_ = now_;
  }
  publish_status(version, commit_time_ns);
}

void WriterLoop::publish_status(tree::Version version, std::int64_t commit_time_ns) {
  version_.store(version, std::memory_order_relaxed);
  last_commit_ns_.store(commit_time_ns, std::memory_order_relaxed);
  for (tree::TableIndex table = 0; table < table_count_; ++table) {
    evicted_[table].store(writer_.evicted_rows(table), std::memory_order_relaxed);
  }
  rows_.store(committed_rows_, std::memory_order_relaxed);
  for (std::size_t source = 0; source < positions_.size(); ++source) {
    committed_[source].bytes.store(positions_[source].bytes, std::memory_order_relaxed);
    committed_[source].restarts.store(positions_[source].restarts, std::memory_order_relaxed);
    // release, and last: who sees these rows as committed sees the version that has them, and all figures
    // above.
    committed_[source].rows.store(positions_[source].rows, std::memory_order_release);
  }
}

/// Nothing was queued: sleeps until a source rings, or the uncommitted rows are due.
void WriterLoop::sleep_until_due() {
  now_ = Clock::now();
  std::chrono::nanoseconds timeout = Doorbell::sleep_max;
  if (uncommitted_.rows() > 0) {
    timeout = uncommitted_.time_left(now_);
  } else {
    rows_waited_ = {};
    if (evict_when_idle() || reclaim_when_idle()) return;
  }
  if (timeout.count() > 0) {
    bell_.sleep([this] { return !work_is_queued() && !stopping_.load(std::memory_order_seq_cst); }, timeout);
    now_ = Clock::now();
  }
}

/// Commits give memory back, and there are none: a pin that goes now gives its memory back all the same.
/// True: there is more to give back.
bool WriterLoop::reclaim_when_idle() {
  if (idle_since_ == Clock::time_point{}) idle_since_ = now_;
  return now_ - idle_since_ >= idle_min && store_.reclaim_some();
}

bool WriterLoop::work_is_queued() const {
  return std::any_of(inputs_.begin(), inputs_.end(),
                     [](const Input& input) { return input.source->queue().front() != nullptr; });
}

/// Called when there is no room for the next row. False: there still is none, and the stop was requested.
bool WriterLoop::make_room() {
  if (uncommitted_.rows() > 0) commit();
  auto delay = retry_delay_min;
  while (!try_to_make_room()) {
    if (!out_of_room_) tell_out_of_room();
    if (stopping_.load(std::memory_order_seq_cst)) return false;
    bell_.sleep([this] { return !stopping_.load(std::memory_order_seq_cst); }, delay);
    delay = std::min(delay * 2, retry_delay_max);
  }
  if (out_of_room_) tell_room_again();
  now_ = Clock::now();
  return true;
}

bool WriterLoop::try_to_make_room() {
  if (writer_.retain() > 0) publish();  // what was evicted is free only behind a commit
  store_.reclaim_all();
  return writer_.has_room();
}

void WriterLoop::tell_out_of_room() {
  out_of_room_ = true;
  const std::string reason = find_out_of_room_reason();
  set_out_of_room_reason(reason);
  if (!out_of_room_limit_.allow()) return;
  said_out_of_room_ = true;
  const std::uint64_t held_back = out_of_room_limit_.take_held_back();
  spdlog::error("{}{}", reason,
                held_back == 0 ? "" : fmt::format(" ({} times since this was said last)", held_back));
}

void WriterLoop::set_out_of_room_reason(std::string reason) {
  const std::lock_guard lock(reason_mutex_);
  out_of_room_reason_ = std::move(reason);
}

void WriterLoop::tell_room_again() {
  out_of_room_ = false;
  set_out_of_room_reason("");
  if (std::exchange(said_out_of_room_, false)) spdlog::info("the arena has room again: ingest goes on");
}

/// One line: what is full, what that means, what to do, who holds memory back.
std::string WriterLoop::find_out_of_room_reason() const {
  const tree::MemoryStats memory = store_.stats();
  const bool system_is_full = memory.commit_error != 0 && memory.committed_bytes < memory.reserved_bytes;
  const std::string what =
      system_is_full ? fmt::format("the system has no more memory for the arena ({}; {} of {} committed)",
                                   std::strerror(memory.commit_error), format_size(memory.committed_bytes),
                                   format_size(memory.reserved_bytes))
                     : fmt::format("the arena is full: arena.size is {}", format_size(memory.reserved_bytes));
  const char* const remedy =
      system_is_full ? "free memory on this machine" : "raise arena.size (it counts from the next start on)";
  const std::string who = who_retains_ ? who_retains_() : "";
  return fmt::format("{}; {} hold live rows, {} are retained by snapshots. ", what,
                     format_size(memory.live_bytes), format_size(memory.retained_bytes)) +
         "Sources are held back, no row is lost, and ingest goes on by itself when readers give memory back "
         "or "
         "retention does. Otherwise " +
         remedy + ", let tables retain less, or end readers that hold snapshots (perch status lists them)" +
         (who.empty() ? "" : "; " + who);
}

CommitStatus WriterLoop::status() const {
  CommitStatus status;
  status.version = version_.load(std::memory_order_relaxed);
  status.rows = rows_.load(std::memory_order_relaxed);
  status.last_commit_ns = last_commit_ns_.load(std::memory_order_relaxed);
  status.gap_p50_ns = gaps_.quantile_ns(0.5);
  status.gap_p99_ns = gaps_.quantile_ns(0.99);
  status.gap_p999_ns = gaps_.quantile_ns(0.999);
  status.longest_gap_ns = gaps_.max_ns();
  const std::lock_guard lock(reason_mutex_);
  status.out_of_room_reason = out_of_room_reason_;
  status.out_of_room = !out_of_room_reason_.empty();
  return status;
}

tree::SourcePosition WriterLoop::committed(std::size_t source) const {
  tree::SourcePosition position;
  position.rows = committed_[source].rows.load(std::memory_order_acquire);  // see publish_status
  position.bytes = committed_[source].bytes.load(std::memory_order_relaxed);
  position.restarts = committed_[source].restarts.load(std::memory_order_relaxed);
  return position;
}

std::uint64_t WriterLoop::evicted_rows(tree::TableIndex table) const {
  return evicted_[table].load(std::memory_order_relaxed);
}

}  // namespace perch::ingest
