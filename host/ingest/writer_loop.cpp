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

/// Batches of each source that a source's thread applies before it reads on.
constexpr int rounds_beside_reading = 4;

/// Rows whose leaves are loaded together, ahead of writing them.
constexpr std::uint32_t rows_warmed = 16;

}  // namespace

WriterLoop::WriterLoop(tree::Store& store, const tables::Catalog& catalog, const IngestSpec& spec,
                       WhoRetains who_retains)
    : store_(store),
      who_retains_(std::move(who_retains)),
      writer_(store, catalog),
      uncommitted_(spec.commit_max_rows, spec.commit_max_delay, Clock::now()) {}

WriterLoop::~WriterLoop() {
  PERCH_ASSERT(!thread_.joinable(), "the writer loop destroyed while its thread runs");
}

void WriterLoop::start(const Sources& sources) {
  set_sources(sources);
  thread_ = std::thread([this] { run(); });
  ::pthread_setname_np(thread_.native_handle(), "perch-writer");
}

void WriterLoop::change(const std::function<void()>& change) {
  const Role role(role_);
  change();
}

void WriterLoop::set_sources(const Sources& sources) {
  std::vector<Input> inputs;
  for (const auto& source : sources) {
    const auto same = [&](const Input& input) { return input.source == source; };
    const auto found = std::find_if(inputs_.begin(), inputs_.end(), same);
    inputs.push_back(found != inputs_.end() ? *found : Input{source});
  }
  for (Input& input : inputs_) {
    const auto stays = std::find(sources.begin(), sources.end(), input.source);
    if (stays != sources.end()) continue;
    while (apply_batch(input) == Round::applied) {
    }
    const std::uint32_t left = input.source->intake().queue().size();
    if (left > 0) {
      spdlog::error("source {}: removed while the arena was full: {} rows are not committed",
                    input.source->spec().name, input.source->rows() - positions_[input.source->slot()].rows);
      // relaxed: the role's own; a thread that reads less looks once too often.
      applied_.fetch_add(left, std::memory_order_relaxed);
    }
    if (uncommitted_.rows() > 0) commit();
    positions_[input.source->slot()] = {};
  }
  std::uint32_t slots = 0;
  for (const auto& source : sources) slots = std::max(slots, source->slot() + 1);
  positions_.resize(slots);
  for (const auto& source : sources) {
    const auto same = [&](const Input& input) { return input.source == source; };
    if (std::any_of(inputs_.begin(), inputs_.end(), same)) continue;
    // Its slot may have been another's.
    positions_[source->slot()] = {};
    set_committed(source->slot());
  }
  inputs_ = std::move(inputs);
}

void WriterLoop::set_commit_policy(std::uint32_t max_rows, std::chrono::nanoseconds max_delay) {
  uncommitted_.set_policy(max_rows, max_delay);
}

void WriterLoop::stop() {
  stopping_.store(true, std::memory_order_seq_cst);  // seq_cst: work of the bell (Doorbell, invariant 1)
  bell_.ring();
  if (thread_.joinable()) thread_.join();
}

void WriterLoop::batch_queued() {
  queued_.fetch_add(1, std::memory_order_seq_cst);  // seq_cst: work of the bell; see the invariant
  bell_.ring();
}

void WriterLoop::batch_queued_and_idle() {
  queued_.fetch_add(1, std::memory_order_seq_cst);  // as above: the thread may sleep or be about to
  if (Role role(role_, std::try_to_lock); role.owns_lock()) {
    Round round = Round::applied;
    for (int left = rounds_beside_reading; left > 0 && round == Round::applied; --left) round = drain_once();
    // The thread is needed only to end a wait: for room, or for the commit to be due. Or when others have so
    // much that this one would come to read no more.
    if (round == Round::nothing && uncommitted_.rows() == 0) return;
  }
  bell_.ring();
}

void WriterLoop::run() {
  Role role(role_);
  for (;;) {
    // Read before the queues: what was queued when the stop was requested is seen by drain_once.
    const bool stopping = stopping_.load(std::memory_order_seq_cst);
    const Round round = drain_once();
    if (round == Round::applied) {
      if (out_of_room_) tell_room_again();
      continue;
    }
    if (stopping && (round == Round::nothing || !try_to_make_room())) break;
    if (round == Round::no_room) {
      wait_for_room(role);
    } else {
      sleep_until_due(role);
    }
  }
  if (uncommitted_.rows() > 0) commit();
  std::uint64_t left = 0;
  for (const Input& input : inputs_) left += input.source->rows() - positions_[input.source->slot()].rows;
  if (left > 0) spdlog::error("stopped while the arena was full: {} rows are not committed", left);
}

/// One round over all sources, a batch of each.
WriterLoop::Round WriterLoop::drain_once() {
  Round round = Round::nothing;
  for (Input& input : inputs_) {
    const Round one = apply_batch(input);
    if (one == Round::no_room) return one;
    if (one == Round::applied) round = one;
  }
  if (uncommitted_.is_due(now_)) commit();
  return round;
}

/// no_room: the rows of the batch that are left stay where they are.
WriterLoop::Round WriterLoop::apply_batch(Input& input) {
  RowIntake& intake = input.source->intake();
  const rows::RowBatch* batch = intake.queue().front();
  if (batch == nullptr) return Round::nothing;
  now_ = Clock::now();
  idle_since_ = {};
  if (rows_waited_ == Clock::time_point{}) rows_waited_ = now_;
  positions_[input.source->slot()].restarts = batch->run();
  std::uint32_t warmed_end = input.next_row;
  while (input.next_row < batch->size()) {
    if (input.next_row == warmed_end) warmed_end = warm_rows(*input.source, *batch, warmed_end);
    if (!writer_.has_room()) return Round::no_room;
    apply_row(input, *batch);
    if (uncommitted_.is_full()) commit();
  }
  input.next_row = 0;
  intake.queue().pop();
  applied_.fetch_add(1, std::memory_order_relaxed);  // relaxed: a thread that reads less looks once too often
  if (intake.queue().size() <= BatchQueue::batches / 2) intake.room_bell().ring();
  return Round::applied;
}

/// There is room for it: one record in each table that it feeds, and their rollups.
void WriterLoop::apply_row(Input& input, const rows::RowBatch& batch) {
  const auto& feeds = input.source->mapping().feeds();
  const std::uint32_t row = input.next_row++;
  for (std::uint32_t index = batch.record_begin(row); index < batch.record_begin(row + 1); ++index) {
    const rows::RowBatch::Record record = batch.record(index);
    writer_.upsert(feeds[record.feed].table->index(), record.key, record.value);
  }
  tree::SourcePosition& position = positions_[input.source->slot()];
  position.bytes = batch.end(row);
  ++position.rows;
  if (input.oldest_uncommitted_ns == 0) input.oldest_uncommitted_ns = batch.began_ns();
  uncommitted_.row_applied();
}

/// The next records of the batch from row `begin` on; returns the row that it came to. A single one gains
/// nothing.
std::uint32_t WriterLoop::warm_rows(const Source& source, const rows::RowBatch& batch, std::uint32_t begin) {
  const std::uint32_t end = std::min(begin + rows_warmed, batch.size());
  if (end - begin < 2) return end;
  const auto& feeds = source.mapping().feeds();
  std::uint64_t keys[rows_warmed * tree::key_words_max];  // in a batch they lie apart
  for (std::uint32_t feed = 0; feed < feeds.size(); ++feed) {
    const std::uint32_t key_words = feeds[feed].table->codec().words();
    std::uint32_t count = 0;
    for (std::uint32_t index = batch.record_begin(begin); index < batch.record_begin(end); ++index) {
      const rows::RowBatch::Record record = batch.record(index);
      if (record.feed == feed && count < rows_warmed)
        std::copy_n(record.key, key_words, keys + std::size_t{count++} * key_words);
    }
    if (count > 0) writer_.warm(feeds[feed].table->index(), keys, count);
  }
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
  const std::int64_t now_ns = now_.time_since_epoch() / std::chrono::nanoseconds(1);
  for (Input& input : inputs_) {
    if (input.oldest_uncommitted_ns == 0) continue;
    input.source->intake().latency().record(now_ns - input.oldest_uncommitted_ns);
    input.oldest_uncommitted_ns = 0;
  }
  publish_status(version, commit_time_ns);
}

void WriterLoop::publish_status(tree::Version version, std::int64_t commit_time_ns) {
  version_.store(version, std::memory_order_relaxed);
  last_commit_ns_.store(commit_time_ns, std::memory_order_relaxed);
  for (tree::TableIndex table = 0; table < writer_.table_count(); ++table) {
    evicted_[table].store(writer_.evicted_rows(table), std::memory_order_relaxed);
    late_[table].store(writer_.late_rows(table), std::memory_order_relaxed);
  }
  rows_.store(committed_rows_, std::memory_order_relaxed);
  for (std::uint32_t slot = 0; slot < positions_.size(); ++slot) set_committed(slot);
}

void WriterLoop::set_committed(std::uint32_t slot) {
  committed_[slot].bytes.store(positions_[slot].bytes, std::memory_order_relaxed);
  committed_[slot].restarts.store(positions_[slot].restarts, std::memory_order_relaxed);
  // release, and last: who sees these rows as committed sees the version that has them, and all figures
  // above.
  committed_[slot].rows.store(positions_[slot].rows, std::memory_order_release);
}

/// Nothing was queued: sleeps until a source rings, or the uncommitted rows are due. Others may have the role
/// meanwhile.
void WriterLoop::sleep_until_due(Role& role) {
  now_ = Clock::now();
  std::chrono::nanoseconds timeout = Doorbell::sleep_max;
  if (uncommitted_.rows() > 0) {
    timeout = uncommitted_.time_left(now_);
  } else {
    rows_waited_ = {};
    if (evict_when_idle() || reclaim_when_idle()) return;
  }
  if (timeout.count() <= 0) return;
  role.unlock();
  bell_.sleep([this] { return !work_is_queued() && !stopping_.load(std::memory_order_seq_cst); }, timeout);
  role.lock();
  now_ = Clock::now();
}

/// Commits give memory back, and there are none: a pin that goes now gives its memory back all the same.
/// True: there is more to give back.
bool WriterLoop::reclaim_when_idle() {
  if (idle_since_ == Clock::time_point{}) idle_since_ = now_;
  return now_ - idle_since_ >= idle_min && store_.reclaim_some();
}

bool WriterLoop::work_is_queued() const noexcept {
  return queued_.load(std::memory_order_seq_cst) != applied_.load(std::memory_order_relaxed);
}

/// Called when there is no room for the next row: tries to make some, again and again, until there is or the
/// stop is requested. Others may have the role between the tries.
void WriterLoop::wait_for_room(Role& role) {
  auto delay = retry_delay_min;
  while (!try_to_make_room()) {
    if (!out_of_room_) tell_out_of_room();
    if (stopping_.load(std::memory_order_seq_cst)) return;
    role.unlock();
    bell_.sleep([this] { return !stopping_.load(std::memory_order_seq_cst); }, delay);
    role.lock();
    delay = std::min(delay * 2, retry_delay_max);
  }
  now_ = Clock::now();
}

bool WriterLoop::try_to_make_room() {
  if (uncommitted_.rows() > 0) commit();
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
  const std::uint64_t held_back = out_of_room_limit_.take_refused();
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
  status.gap_histogram = gaps_.buckets();
  const std::lock_guard lock(reason_mutex_);
  status.out_of_room_reason = out_of_room_reason_;
  status.out_of_room = !out_of_room_reason_.empty();
  return status;
}

tree::SourcePosition WriterLoop::committed(std::uint32_t source) const {
  tree::SourcePosition position;
  position.rows = committed_[source].rows.load(std::memory_order_acquire);  // see publish_status
  position.bytes = committed_[source].bytes.load(std::memory_order_relaxed);
  position.restarts = committed_[source].restarts.load(std::memory_order_relaxed);
  return position;
}

std::uint64_t WriterLoop::evicted_rows(tree::TableIndex table) const {
  return evicted_[table].load(std::memory_order_relaxed);
}

std::uint64_t WriterLoop::late_rows(tree::TableIndex table) const {
  return late_[table].load(std::memory_order_relaxed);
}

}  // namespace perch::ingest
