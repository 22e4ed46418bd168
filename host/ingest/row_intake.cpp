#include "ingest/row_intake.hpp"

#include <spdlog/spdlog.h>

#include "base/units.hpp"

namespace perch::ingest {
namespace {

constexpr std::chrono::seconds reject_warning_period{10};

/// Adds to a counter that this thread alone writes. relaxed: see the member's comment.
void add(std::atomic<std::uint64_t>& counter, std::uint64_t amount) noexcept {
  counter.store(counter.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
}

}  // namespace

RowIntake::RowIntake(WriterInput& input, rows::RowFormat& format, rows::RejectLog& rejects,
                     rows::RowConsumer& consumer, const StopSignal& stop)
    : input_(input),
      format_(format),
      reject_log_(rejects),
      consumer_(consumer),
      stop_(stop),
      reject_log_limit_(RateLimit::one_per(reject_warning_period)) {}

void RowIntake::bytes_read(std::size_t bytes) {
  add(bytes_, bytes);
  format_.stamps().read_at(unix_now_ns());
  set_state(SourceState::reading);
}

bool RowIntake::take(rows::RowDecoder& decoder, StreamPosition& position) {
  while (!stop_.requested()) {
    if (batch_ == nullptr && !acquire_batch()) return true;  // stopping
    const rows::Step step = decoder.next(*batch_);
    if (step == rows::Step::more) return true;
    count(step, decoder);
    if (step == rows::Step::broken) return false;
    if (step != rows::Step::row) continue;
    consumed_ += decoder.line().end - position.end;
    position.end = decoder.line().end;
    batch_->close_row(consumed_);
    if (batch_->full()) hand_over();
  }
  return true;
}

void RowIntake::finish(rows::RowDecoder& decoder, StreamPosition& position) {
  while (batch_ != nullptr || acquire_batch()) {
    const rows::Step step = decoder.finish(*batch_);
    if (step == rows::Step::more) break;
    count(step, decoder);
    if (step != rows::Step::row) continue;
    consumed_ += decoder.line().end - position.end;
    position.end = decoder.line().end;
    batch_->close_row(consumed_);
    if (batch_->full()) hand_over();
  }
  position = {};
}

void RowIntake::count(rows::Step step, rows::RowDecoder& decoder) {
  switch (step) {
    case rows::Step::skipped:
      return add(skipped_, 1);
    case rows::Step::broken:
      broken_reason_ = decoder.reject().message;
      return reject(decoder);
    case rows::Step::rejected:
      return reject(decoder);
    default:
      return;
  }
}

void RowIntake::reject(const rows::RowDecoder& decoder) {
  const rows::Reject& why = decoder.reject();
  add(rejects_[static_cast<std::size_t>(why.reason)], decoder.rejected_rows());
  if (!reject_log_.write(input_.name(), decoder.line(), why)) add(rejects_not_logged_, 1);
  if (!reject_log_limit_.allow()) return;
  const auto unsaid = reject_log_limit_.take_refused();
  spdlog::warn("source {}: rejected the row at byte {} ({}: {}){}; all of them are in {}", input_.name(),
               decoder.line().begin, name(why.reason), why.message,
               unsaid == 0 ? "" : ", and " + std::to_string(unsaid) + " others since the last message",
               reject_log_.file().string());
}

/// Waits for a free slot; false when the stop was requested. Nothing is read meanwhile: that is the
/// back-pressure.
bool RowIntake::acquire_batch() {
  const BatchQueue& queue = input_.queue();
  while ((batch_ = input_.queue().free_slot()) == nullptr) {
    if (stop_.requested()) return false;
    // Until the writer took half of it: a wake-up per batch would cost more than the batch.
    input_.room_bell().sleep([&] { return queue.size() > BatchQueue::batches / 2 && !stop_.requested(); });
  }
  batch_->begin(run_);
  return true;
}

void RowIntake::begin_run() {
  hand_over();  // the invariant
  consumed_ = 0;
  restarts_.store(++run_, std::memory_order_relaxed);
}

void RowIntake::flush() {
  if (publish()) consumer_.batch_queued_and_idle();
}

void RowIntake::hand_over() {
  if (publish()) consumer_.batch_queued();
}

bool RowIntake::publish() {
  rows::RowBatch* const batch = std::exchange(batch_, nullptr);
  if (batch == nullptr || batch->size() == 0) return false;
  input_.queue_batch(batch->size());
  return true;
}

void RowIntake::set_state(SourceState state) noexcept { state_.store(state, std::memory_order_relaxed); }

void RowIntake::set_error(const std::string& error) {
  const std::lock_guard lock(error_mutex_);
  last_error_ = error;
}

void RowIntake::set_lag_bytes(std::uint64_t bytes) noexcept {
  lag_bytes_.store(bytes, std::memory_order_relaxed);
}

void RowIntake::set_connections(std::uint32_t connections) noexcept {
  connections_.store(connections, std::memory_order_relaxed);
}

void RowIntake::connection_refused() noexcept { add(connections_refused_, 1); }

void RowIntake::fill(SourceStatus& status) const {
  status.state = to_string(state());
  status.rows = rows();
  status.bytes = bytes_.load(std::memory_order_relaxed);
  status.skipped = skipped_.load(std::memory_order_relaxed);
  status.restarts = restarts_.load(std::memory_order_relaxed);
  status.connections = connections_.load(std::memory_order_relaxed);
  status.connections_refused = connections_refused_.load(std::memory_order_relaxed);
  status.lag_bytes = lag_bytes_.load(std::memory_order_relaxed);
  for (std::size_t reason = 0; reason < rejects_.size(); ++reason) {
    const std::uint64_t count = rejects_[reason].load(std::memory_order_relaxed);
    if (count > 0) status.rejects_by_reason[rows::reject_reason_names[reason]] = count;
    status.rejects += count;
  }
  status.rejects_not_logged = rejects_not_logged_.load(std::memory_order_relaxed);
  status.lag_ns = input_.queue().oldest_wait_ns();
  status.latency_p50_ns = input_.latency().quantile_ns(0.5);
  status.latency_p99_ns = input_.latency().quantile_ns(0.99);
  status.latency_max_ns = input_.latency().max_ns();
  status.latency_histogram = input_.latency().buckets();
  status.queued_batches = input_.queue().size();
  status.queue_capacity = BatchQueue::capacity();
  const std::lock_guard lock(error_mutex_);
  status.last_error = last_error_;
}

}  // namespace perch::ingest
