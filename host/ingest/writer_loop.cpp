#include "ingest/writer_loop.hpp"

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

/// The log is told at most so often that there is no room; the status always.
constexpr std::chrono::seconds out_of_room_message_period{30};

/// Rows whose leaves are loaded together, ahead of writing them.
constexpr std::uint32_t rows_warmed = 16;

}  // namespace

WriterLoop::WriterLoop(tree::Store& store, const tables::Catalog& catalog, const IngestSpec& spec,
                       WhoRetains who_retains)
    : store_(store),
      who_retains_(std::move(who_retains)),
      role_{tables::TableWriter(store, catalog),
            CommitSchedule(spec.commit_max_rows, spec.commit_max_delay, Clock::now())} {}

WriterLoop::~WriterLoop() {
  PERCH_ASSERT(!thread_.is_joinable(), "the writer loop destroyed while its thread runs");
}

Result<void> WriterLoop::start(const Inputs& inputs) {
  set_inputs(inputs);
  return thread_.start("perch-writer", [this] { run(); });
}

void WriterLoop::change(const std::function<void()>& change) {
  const RoleLock role(role_mutex_);
  change();
}

void WriterLoop::set_inputs(const Inputs& inputs) {
  for (Input& old : role_.inputs) {
    if (std::find(inputs.begin(), inputs.end(), old.from) == inputs.end()) drop_input(old);
  }
  std::uint32_t slots = 0;
  for (const auto& input : inputs) slots = std::max(slots, input->slot() + 1);
  std::vector<Input> next_inputs;
  std::vector<tree::SourcePosition> next_positions(slots);  // a new one's slot may have been another's
  for (const auto& input : inputs) {
    const auto old = std::find_if(role_.inputs.begin(), role_.inputs.end(),
                                  [&](const Input& each) { return each.from == input; });
    const bool is_new = old == role_.inputs.end();
    next_inputs.push_back(is_new ? Input{input} : *old);
    if (!is_new) next_positions[input->slot()] = role_.positions[input->slot()];
  }
  role_.inputs = std::move(next_inputs);
  role_.positions = std::move(next_positions);
}

/// Applies and commits what it has queued, as far as there is room.
void WriterLoop::drop_input(Input& input) {
  WriterInput& from = *input.from;
  while (apply_batch(input) == Round::applied) {
  }
  const std::uint32_t left = from.queue().size();
  if (left > 0) {
    spdlog::error("source {}: removed while the arena was full: {} rows are not committed", from.name(),
                  from.rows() - role_.positions[from.slot()].rows);
    // relaxed: the role's own; a thread that reads less looks once too often.
    applied_.fetch_add(left, std::memory_order_relaxed);
  }
  if (role_.uncommitted.rows() > 0) commit();
}

void WriterLoop::set_commit_policy(std::uint32_t max_rows, std::chrono::nanoseconds max_delay) {
  role_.uncommitted.set_policy(max_rows, max_delay);
}

void WriterLoop::stop() {
  stopping_.store(true, std::memory_order_seq_cst);  // seq_cst: work of the bell (Doorbell, invariant 1)
  bell_.ring();
  thread_.join();
}

void WriterLoop::batch_queued() {
  queued_.fetch_add(1, std::memory_order_seq_cst);  // seq_cst: work of the bell; see the invariant
  bell_.ring();
}

void WriterLoop::batch_queued_and_idle() {
  queued_.fetch_add(1, std::memory_order_seq_cst);  // as above: the thread may sleep or be about to
  if (RoleLock role(role_mutex_, std::try_to_lock); role.owns_lock()) {
    Round round = Round::applied;
    for (int left = rounds_beside_reading; left > 0 && round == Round::applied; --left) round = drain_once();
    // The thread is needed only to end a wait: for room, or for the commit to be due. Or when others have so
    // much that this one would come to read no more.
    if (round == Round::nothing && role_.uncommitted.rows() == 0) return;
  }
  bell_.ring();
}

void WriterLoop::run() {
  ThreadState thread{RoleLock(role_mutex_), RateLimit::one_per(out_of_room_message_period)};
  for (;;) {
    // Read before the queues: what was queued when the stop was requested is seen by drain_once.
    const bool stopping = stopping_.load(std::memory_order_seq_cst);
    const Round round = drain_once();
    if (round == Round::applied) continue;
    if (stopping && (round == Round::nothing || !try_to_make_room())) break;
    if (round == Round::no_room) {
      wait_for_room(thread);
    } else {
      sleep_until_due(thread);
    }
  }
  if (role_.uncommitted.rows() > 0) commit();
  std::uint64_t left = 0;
  for (const Input& input : role_.inputs)
    left += input.from->rows() - role_.positions[input.from->slot()].rows;
  if (left > 0) spdlog::error("stopped while the arena was full: {} rows are not committed", left);
}

/// One round over all inputs, a batch of each.
WriterLoop::Round WriterLoop::drain_once() {
  Round round = Round::nothing;
  for (Input& input : role_.inputs) {
    const Round one = apply_batch(input);
    if (one == Round::no_room) return one;
    if (one == Round::applied) round = one;
  }
  if (role_.uncommitted.is_due(role_.now)) commit();
  if (role_.out_of_room) tell_room_again();  // no row waits for room, whoever applied those that did
  return round;
}

/// no_room: the rows of the batch that are left stay where they are.
WriterLoop::Round WriterLoop::apply_batch(Input& input) {
  WriterInput& from = *input.from;
  const rows::RowBatch* batch = from.queue().front();
  if (batch == nullptr) return Round::nothing;
  role_.now = Clock::now();
  role_.idle_since = {};
  if (role_.rows_waited == Clock::time_point{}) role_.rows_waited = role_.now;
  role_.positions[from.slot()].restarts = batch->run();
  std::uint32_t warmed_end = input.next_row;
  while (input.next_row < batch->size()) {
    if (input.next_row == warmed_end) warmed_end = warm_rows(from, *batch, warmed_end);
    if (!role_.writer.has_room()) return Round::no_room;
    apply_row(input, *batch);
    if (role_.uncommitted.is_full()) commit();
  }
  input.next_row = 0;
  from.queue().pop();
  applied_.fetch_add(1, std::memory_order_relaxed);  // relaxed: a thread that reads less looks once too often
  if (from.queue().size() <= BatchQueue::batches / 2) from.room_bell().ring();
  return Round::applied;
}

/// There is room for it: one record in each table that it feeds, and their rollups.
void WriterLoop::apply_row(Input& input, const rows::RowBatch& batch) {
  const auto& feeds = input.from->feeds();
  const std::uint32_t row = input.next_row++;
  for (std::uint32_t index = batch.record_begin(row); index < batch.record_begin(row + 1); ++index) {
    const rows::RowBatch::Record record = batch.record(index);
    role_.writer.upsert(feeds[record.feed].table, record.key, record.value);
  }
  tree::SourcePosition& position = role_.positions[input.from->slot()];
  position.bytes = batch.end(row);
  ++position.rows;
  if (input.oldest_uncommitted_ns == 0) input.oldest_uncommitted_ns = batch.began_ns();
  role_.uncommitted.row_applied();
}

/// The next records of the batch from row `begin` on; returns the row that it came to. A single one gains
/// nothing.
std::uint32_t WriterLoop::warm_rows(const WriterInput& input, const rows::RowBatch& batch,
                                    std::uint32_t begin) {
  const std::uint32_t end = std::min(begin + rows_warmed, batch.size());
  if (end - begin < 2) return end;
  const auto& feeds = input.feeds();
  std::uint64_t keys[rows_warmed * tree::key_words_max];  // in a batch they lie apart
  for (std::uint32_t feed = 0; feed < feeds.size(); ++feed) {
    const std::uint32_t key_words = feeds[feed].shape.key_words;
    std::uint32_t count = 0;
    for (std::uint32_t index = batch.record_begin(begin); index < batch.record_begin(end); ++index) {
      const rows::RowBatch::Record record = batch.record(index);
      if (record.feed == feed && count < rows_warmed)
        std::copy_n(record.key, key_words, keys + std::size_t{count++} * key_words);
    }
    if (count > 0) role_.writer.warm(feeds[feed].table, keys, count);
  }
  return end;
}

void WriterLoop::commit() {
  role_.writer.retain();
  publish();
}

/// Without rows there are no commits, and what retention left over would stay. True: some of it went.
bool WriterLoop::evict_when_idle() {
  if (!role_.writer.is_behind() || role_.writer.retain() == 0) return false;
  publish();
  return true;
}

void WriterLoop::publish() {
  const std::int64_t commit_time_ns = unix_now_ns();
  const tree::Version version = role_.writer.commit(commit_time_ns, role_.positions);
  role_.committed_rows += role_.uncommitted.rows();
  role_.now = Clock::now();
  role_.uncommitted.committed(role_.now);
  if (role_.rows_waited != Clock::time_point{}) {
    gaps_.record((role_.now - role_.rows_waited).count());
    role_.rows_waited = role_.now;
  }
  const std::int64_t now_ns = role_.now.time_since_epoch() / std::chrono::nanoseconds(1);
  for (Input& input : role_.inputs) {
    if (input.oldest_uncommitted_ns == 0) continue;
    input.from->latency().record(now_ns - input.oldest_uncommitted_ns);
    input.oldest_uncommitted_ns = 0;
  }
  publish_status(version, commit_time_ns);
}

void WriterLoop::publish_status(tree::Version version, std::int64_t commit_time_ns) {
  version_.store(version, std::memory_order_relaxed);
  last_commit_ns_.store(commit_time_ns, std::memory_order_relaxed);
  for (tree::TableIndex table = 0; table < role_.writer.table_count(); ++table) {
    evicted_[table].store(role_.writer.evicted_rows(table), std::memory_order_relaxed);
    late_[table].store(role_.writer.late_rows(table), std::memory_order_relaxed);
  }
  rows_.store(role_.committed_rows, std::memory_order_relaxed);
  for (const Input& input : role_.inputs) input.from->set_committed(role_.positions[input.from->slot()]);
}

/// Nothing was queued: sleeps until a source rings, or the uncommitted rows are due. Others may have the role
/// meanwhile.
void WriterLoop::sleep_until_due(ThreadState& thread) {
  role_.now = Clock::now();
  std::chrono::nanoseconds timeout = Doorbell::sleep_max;
  if (role_.uncommitted.rows() > 0) {
    timeout = role_.uncommitted.time_left(role_.now);
  } else {
    role_.rows_waited = {};
    if (evict_when_idle() || reclaim_when_idle()) return;
  }
  if (timeout.count() <= 0) return;
  thread.role.unlock();
  bell_.sleep([this] { return !work_is_queued() && !stopping_.load(std::memory_order_seq_cst); }, timeout);
  thread.role.lock();
  role_.now = Clock::now();
}

/// Commits give memory back, and there are none: a pin that goes now gives its memory back all the same.
/// True: there is more to give back.
bool WriterLoop::reclaim_when_idle() {
  if (role_.idle_since == Clock::time_point{}) role_.idle_since = role_.now;
  return role_.now - role_.idle_since >= idle_min && store_.reclaim_some();
}

bool WriterLoop::work_is_queued() const noexcept {
  return queued_.load(std::memory_order_seq_cst) != applied_.load(std::memory_order_relaxed);
}

/// Called when there is no room for the next row: tries to make some, again and again, until there is, no row
/// waits any more, or the stop is requested. Others may have the role between the tries.
void WriterLoop::wait_for_room(ThreadState& thread) {
  auto delay = retry_delay_min;
  while (work_is_queued() && !try_to_make_room()) {
    if (!role_.out_of_room) tell_out_of_room(thread);
    if (stopping_.load(std::memory_order_seq_cst)) return;
    thread.role.unlock();
    bell_.sleep([this] { return !stopping_.load(std::memory_order_seq_cst); }, delay);
    thread.role.lock();
    delay = std::min(delay * 2, retry_delay_max);
  }
  role_.now = Clock::now();
}

bool WriterLoop::try_to_make_room() {
  if (role_.uncommitted.rows() > 0) commit();
  if (role_.writer.retain() > 0) publish();  // what was evicted is free only behind a commit
  store_.reclaim_all();
  return role_.writer.has_room();
}

void WriterLoop::tell_out_of_room(ThreadState& thread) {
  role_.out_of_room = true;
  const std::string reason = find_out_of_room_reason();
  set_out_of_room_reason(reason);
  if (!thread.out_of_room_limit.allow()) return;
  role_.said_out_of_room = true;
  const std::uint64_t held_back = thread.out_of_room_limit.take_refused();
  spdlog::error("{}{}", reason,
                held_back == 0 ? "" : fmt::format(" ({} times since this was said last)", held_back));
}

void WriterLoop::set_out_of_room_reason(std::string reason) {
  const std::lock_guard lock(reason_mutex_);
  out_of_room_reason_ = std::move(reason);
}

void WriterLoop::tell_room_again() {
  role_.out_of_room = false;
  set_out_of_room_reason("");
  if (std::exchange(role_.said_out_of_room, false)) spdlog::info("the arena has room again: ingest goes on");
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

std::uint64_t WriterLoop::evicted_rows(tree::TableIndex table) const {
  return evicted_[table].load(std::memory_order_relaxed);
}

std::uint64_t WriterLoop::late_rows(tree::TableIndex table) const {
  return late_[table].load(std::memory_order_relaxed);
}

}  // namespace perch::ingest
