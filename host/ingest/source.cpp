#include "ingest/source.hpp"

#include <pthread.h>
#include <spdlog/spdlog.h>

#include <utility>

#include "base/assert.hpp"

namespace perch::ingest {
namespace {

constexpr std::chrono::seconds reject_warning_period{10};

/// Adds to a counter that this thread alone writes. relaxed: see the member's comment.
void add(std::atomic<std::uint64_t>& counter, std::uint64_t amount) noexcept {
  counter.store(counter.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
}

bool is_blank(std::string_view text) noexcept {
  return text.find_first_not_of(" \t\r") == std::string_view::npos;
}

}  // namespace

const char* to_string(SourceType type) noexcept {
  switch (type) {
    case SourceType::exec:
      return "exec";
    case SourceType::file:
      return "file";
    case SourceType::standard_input:
      return "stdin";
  }
  PERCH_ASSERT(false, "a source type without a name");
}

Source::Source(const SourceSpec& spec, tables::TablePtr table, RejectLog& rejects, Doorbell& writer_bell,
               const StopSignal& stop)
    : spec_(spec),
      table_(std::move(table)),
      reject_log_(rejects),
      writer_bell_(writer_bell),
      stop_(stop),
      decoder_(table_),
      reject_log_limit_(1, reject_warning_period),
      queue_(table_->codec().words(), table_->value().size()) {}

Source::~Source() { PERCH_ASSERT(!thread_.joinable(), "a source destroyed while its thread runs"); }

Result<void> Source::open() {
  auto stream = open_stream(spec_);
  if (!stream) {
    Error error = stream.error();
    error.message = "source " + spec_.name + ": " + error.message;
    return fail(std::move(error));
  }
  stream_ = std::move(*stream);
  return {};
}

void Source::start() {
  thread_ = std::thread([this] { run(); });
  ::pthread_setname_np(thread_.native_handle(), ("src:" + spec_.name).substr(0, 15).c_str());
}

void Source::join() {
  if (thread_.joinable()) thread_.join();
}

void Source::run() {
  pump();
  if (batch_ != nullptr) hand_over();
  stream_.reset();  // on this thread: a child process dies with the thread that started it
  ended_.store(true, std::memory_order_release);  // invariant 2
}

/// Reads until the stream is over or the stop is requested.
void Source::pump() {
  while (!stop_.requested()) {
    const ReadResult result = stream_->read(splitter_.space());
    switch (result.kind) {
      case ReadKind::data:
        set_state(SourceState::reading);
        add(bytes_, result.bytes);
        splitter_.added(result.bytes);
        read_lines();
        break;
      case ReadKind::idle:
        if (batch_ != nullptr) hand_over();
        set_state(stream_->idle_state());
        stream_->wait(stop_);
        break;
      case ReadKind::run_ended:
        end_run(result.error);
        restarts_.store(++run_, std::memory_order_relaxed);
        set_state(stream_->idle_state());
        if (!result.error.empty()) stream_->wait(stop_);  // bounds the rate of failures
        break;
      case ReadKind::ended:
      case ReadKind::failed:
        end_run(result.error);
        set_state(result.kind == ReadKind::ended ? SourceState::ended : SourceState::failed);
        spdlog::info("source {}: {}, {} rows", spec_.name, to_string(state_.load(std::memory_order_relaxed)),
                     rows());
        return;
    }
  }
}

void Source::read_lines() {
  for (Line line; splitter_.next(line) && !stop_.requested();) take(line);
}

void Source::take(const Line& line) {
  if (line.too_long) {
    reject(line, {RejectReason::row_too_long,
                  "the row has " + std::to_string(line.bytes) + " bytes, at most " +
                      std::to_string(LineSplitter::line_bytes_max_default) + " are taken"});
  } else if (!is_blank(line.text)) {
    take_row(line);
  }
}

void Source::take_row(const Line& line) {
  if (batch_ == nullptr && !acquire_batch()) return;  // stopping
  if (!decoder_.decode(line.text, batch_->next_key(), batch_->next_value())) {
    reject(line, decoder_.reject());
    return;
  }
  batch_->append(line.end);
  if (batch_->full()) hand_over();
}

void Source::reject(const Line& line, const Reject& reject) {
  add(rejects_[static_cast<std::size_t>(reject.reason)], 1);
  reject_log_.write(spec_.name, line, reject);
  if (!reject_log_limit_.allow()) return;
  const auto unsaid = reject_log_limit_.take_held_back();
  spdlog::warn("source {}: rejected the row at byte {} ({}: {}){}; all of them are in {}", spec_.name,
               line.begin, name(reject.reason), reject.message,
               unsaid == 0 ? "" : ", and " + std::to_string(unsaid) + " others since the last message",
               reject_log_.file().string());
}

/// Waits for a free slot; false when the stop was requested. Nothing is read meanwhile: that is the
/// back-pressure.
bool Source::acquire_batch() {
  while ((batch_ = queue_.free_slot()) == nullptr) {
    if (stop_.requested()) return false;
    // Until the writer took half of it: a wake-up per batch would cost more than the batch.
    room_bell_.sleep([this] { return queue_.size() > BatchQueue::batches / 2 && !stop_.requested(); });
  }
  batch_->begin(run_);
  return true;
}

void Source::hand_over() {
  if (batch_->size() > 0) {
    add(rows_, batch_->size());  // before publish: invariant 2
    queue_.publish();
    writer_bell_.ring();
  }
  batch_ = nullptr;
}

/// A last line without a newline is a row.
void Source::end_run(const std::string& error) {
  if (Line line; splitter_.finish(line)) take(line);
  if (batch_ != nullptr) hand_over();  // invariant 1
  if (!error.empty()) set_error(error);
}

void Source::set_state(SourceState state) noexcept { state_.store(state, std::memory_order_relaxed); }

void Source::set_error(const std::string& error) {
  const std::lock_guard lock(error_mutex_);
  last_error_ = error;
}

SourceStatus Source::status() const {
  SourceStatus status;
  status.name = spec_.name;
  status.type = to_string(spec_.type);
  status.table = table_->name();
  status.state = to_string(state_.load(std::memory_order_relaxed));
  status.rows = rows();
  status.bytes = bytes_.load(std::memory_order_relaxed);
  status.restarts = restarts_.load(std::memory_order_relaxed);
  for (std::size_t reason = 0; reason < rejects_.size(); ++reason) {
    const std::uint64_t count = rejects_[reason].load(std::memory_order_relaxed);
    if (count > 0) status.rejects_by_reason[reject_reason_names[reason]] = count;
    status.rejects += count;
  }
  status.queued_batches = queue_.size();
  status.queue_capacity = BatchQueue::capacity();
  const std::lock_guard lock(error_mutex_);
  status.last_error = last_error_;
  return status;
}

}  // namespace perch::ingest
