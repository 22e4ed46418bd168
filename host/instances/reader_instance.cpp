#include "instances/reader_instance.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "base/assert.hpp"
#include "base/log.hpp"
#include "base/units.hpp"
#include "containment/crash_signals.hpp"

namespace perch::instances {
namespace {

using Clock = std::chrono::steady_clock;

// No wake-up is ever lost (see tree::ReadSide); the bound is there so that no mistake can be for ever.
constexpr std::int64_t wait_for_signal_max_ns = 1'000'000'000;

/// The next whole multiple of `every`: all readers save at the same time, so that their versions are
/// neighbours and share what they retain.
Clock::time_point next_multiple(Clock::time_point now, std::chrono::nanoseconds every) {
  const std::chrono::nanoseconds since_start = now.time_since_epoch();
  return Clock::time_point((since_start / every + 1) * every);
}

}  // namespace

ReaderInstance::ReaderInstance(const HostParts& host, std::shared_ptr<plugin::PluginLibrary> library,
                               std::string reader, std::string config)
    : reader_(std::move(reader)),
      config_(std::move(config)),
      reads_(host.reads),
      on_fault_(host.on_fault),
      catches_up_(host.catches_up),
      threads_(host.threads),
      checkpoint_every_(host.checkpoint),
      library_(std::move(library)),
      guard_(std::make_shared<containment::InstanceGuard>(reader_, library_->label(), library_->code(),
                                                          library_->threads(), on_fault_)),
      tables_(bound_tables(library_->manifest(), host.catalog), reader_),
      services_(reader_, library_->generation(), host.events, stats_),
      pins_(reads_, tables_, stats_->pins),
      proxy_(library_->api(), &stats_->callback) {
  host.watchdog.watch(reader_, library_->generation(), stats_);
}

// ---- Manager thread

Result<void> ReaderInstance::create(Nanoseconds wait) {
  {
    const std::lock_guard lock(mutex_);
    ticket_ = 1;  // the thread answers it when create has returned
  }
  auto started = threads_.start(thread_, reader_, [self = shared_from_this()] { self->run(); });
  if (!started) {
    const std::lock_guard lock(mutex_);
    ended_ = true;
    return started;
  }
  auto reply = call(Command::none, wait, "create");
  if (!reply) return fail(reply.error());
  return {};
}

Result<void> ReaderInstance::begin(std::optional<SavedState> from, Nanoseconds wait) {
  {
    const std::lock_guard lock(mutex_);
    begin_from_ = std::move(from);
  }
  auto reply = call(Command::begin, wait, "restore and start");
  if (!reply) return fail(reply.error());
  return {};
}

Result<SavedState> ReaderInstance::suspend(Nanoseconds wait) {
  return call(Command::suspend, wait, "reach the end of its callback and save");
}

Result<void> ReaderInstance::resume(Nanoseconds wait) {
  auto reply = call(Command::resume, wait, "resume");
  if (!reply) return fail(reply.error());
  return {};
}

Result<void> ReaderInstance::rehearse(SavedState state, Nanoseconds wait) {
  {
    const std::lock_guard lock(mutex_);
    begin_from_ = std::move(state);
  }
  auto reply = call(Command::rehearse, wait, "restore");
  if (!reply) return fail(reply.error());
  return {};
}

void ReaderInstance::hold() { post(Command::hold); }
void ReaderInstance::let_go() { post(Command::resume); }

/// Gives a command whose answer nobody waits for.
void ReaderInstance::post(Command command) {
  const std::lock_guard lock(mutex_);
  ++ticket_;
  command_ = command;
  wake();
}

std::optional<SavedState> ReaderInstance::checkpoint() const {
  const std::lock_guard lock(mutex_);
  return checkpoint_;
}

void ReaderInstance::drop_checkpoint() {
  const std::lock_guard lock(mutex_);
  checkpoint_.reset();
  stats_->checkpoint.clear();
}

/// Gives a command (none: create, which needs no more than the thread's start) and waits for its answer.
Result<SavedState> ReaderInstance::call(Command command, Nanoseconds wait, const char* what) {
  const auto deadline = Clock::now() + wait;
  std::unique_lock lock(mutex_);
  if (command != Command::none) {
    ++ticket_;
    command_ = command;
    wake();
  }
  const std::uint64_t ticket = ticket_;
  const bool settled = wait_for(lock, deadline, [&] { return answered_ticket_ == ticket || ended_; });
  if (answered_ticket_ == ticket) return std::exchange(reply_, SavedState{});
  command_ = Command::none;
  ++ticket_;  // what it may still answer is too late (invariant 2)
  if (guard_->has_crashed()) return fail(guard_->crash_error());
  if (settled) return fail(fault_ ? *fault_ : Error{ErrorKind::failed, "its thread has ended", {}});
  return fail(ErrorKind::timeout,
              "reader " + reader_ + " did not " + what + " within " + format_duration(wait));
}

/// False: neither the condition came true nor the thread crashed within the time. (A thread that is parked in
/// a signal handler can notify nobody.)
template <class Condition>
bool ReaderInstance::wait_for(std::unique_lock<std::mutex>& lock, Clock::time_point deadline,
                              const Condition& condition) {
  constexpr auto look_again = std::chrono::milliseconds(10);
  while (!condition() && !guard_->has_crashed()) {
    const auto now = Clock::now();
    if (now >= deadline) return false;
    answered_.wait_until(lock, std::min(deadline, now + look_again));
  }
  return true;
}

/// The thread waits for orders on the condition, for commits on the tree's signal.
void ReaderInstance::wake() {
  order_came_.notify_all();
  reads_.wake_sleepers();
}

void ReaderInstance::notice_catch_up() {
  // Under the mutex: a reader that has looked before is in its wait when this wakes it.
  const std::lock_guard lock(mutex_);
  order_came_.notify_all();
}

void ReaderInstance::request_end() {
  const std::lock_guard lock(mutex_);
  end_requested_ = true;
  wake();
}

bool ReaderInstance::wait_ended(Nanoseconds wait) {
  const auto deadline = Clock::now() + wait;
  {
    std::unique_lock lock(mutex_);
    if (!thread_.is_joinable()) return true;
    if (!wait_for(lock, deadline, [&] { return ended_; }) || !ended_) return false;
  }
  return thread_.join_within(deadline - Clock::now() + std::chrono::milliseconds(1));
}

void ReaderInstance::abandon() {
  services_.silence();
  thread_.detach();
}

void ReaderInstance::release_parked() {
  PERCH_ASSERT(is_parked(), "only what a parked thread holds can be taken from it");
  services_.silence();
  pins_.release();
  drop_checkpoint();
  stats_->callback.end();  // it is not slow
  stats_->thread.store(0, std::memory_order_relaxed);
}

std::optional<Error> ReaderInstance::fault() const {
  if (guard_->has_crashed()) return guard_->crash_error();
  const std::lock_guard lock(mutex_);
  return fault_;
}

// ---- Reader's thread

void ReaderInstance::run() {
  // Also runs when the plugin ends the thread behind our back (pthread_exit unwinds the stack).
  struct Ending {
    ReaderInstance& instance;
    ~Ending() { instance.mark_ended(); }
  } const ending{*this};

  // The libraries' thread-local destructors run after this: by then the guard is only known as the thread's.
  const containment::AlternateStack stack;
  containment::this_plugin_thread.guard = guard_.get();
  containment::this_plugin_thread.is_readers = true;
  stats_->thread.store(::gettid(), std::memory_order_relaxed);
  stats_->cpu.begin();
  tables_.breaches().own_this_thread();
  services_.begin_on_this_thread();
  auto created = proxy_.create(services_.host(), config_);
  services_.allow_wake_every(false);
  const bool is_created = created.has_value();
  const bool wanted = answer(1, created ? Result<SavedState>(SavedState{}) : fail(created.error()));
  if (is_created && wanted) serve();
  clean_up();
}

void ReaderInstance::serve() {
  while (true) {
    // Read before looking for orders and commits: whatever comes later changes it, and ends the wait below.
    const std::uint32_t signal_seen = reads_.signal();
    const Order order = next_order();
    switch (order.command) {
      case Command::end:
        return;
      case Command::begin:
        if (!do_begin(order.ticket)) return;
        break;
      case Command::rehearse:
        do_rehearse(order.ticket);
        return;
      case Command::suspend:
        do_suspend(order.ticket);
        break;
      case Command::resume:
        answer(order.ticket, SavedState{});
        running_ = true;
        break;
      case Command::hold:
        running_ = false;
        break;
      case Command::none:
        if (!step_or_wait(signal_seen)) return;
        break;
    }
  }
}

/// Waits when there is nothing else to do.
ReaderInstance::Order ReaderInstance::next_order() {
  std::unique_lock lock(mutex_);
  if (!running_) order_came_.wait(lock, [&] { return command_ != Command::none || end_requested_; });
  if (end_requested_) return {Command::end, 0};
  return {std::exchange(command_, Command::none), ticket_};
}

/// False when the manager no longer waits for it.
bool ReaderInstance::answer(std::uint64_t ticket, Result<SavedState> reply) {
  const std::lock_guard lock(mutex_);
  if (ticket_ != ticket) return false;
  answered_ticket_ = ticket;
  reply_ = std::move(reply);
  answered_.notify_all();
  return true;
}

std::optional<SavedState> ReaderInstance::take_begin_from() {
  const std::lock_guard lock(mutex_);
  return std::exchange(begin_from_, std::nullopt);
}

bool ReaderInstance::do_begin(std::uint64_t ticket) {
  const std::optional<SavedState> from = take_begin_from();
  if (from) services_.set_version(from->version);  // what is published before the first step speaks of it
  Result<void> begun;
  if (from) begun = proxy_.restore(from->state_version, *from->bytes);
  if (begun && from) {
    pins_.start_at(from->snapshot, Clock::now());
    keep_checkpoint(*from);
  }
  services_.allow_wake_every(true);
  if (begun) begun = proxy_.start();
  services_.allow_wake_every(false);
  if (!begun) {
    answer(ticket, fail(begun.error()));
    return false;
  }
  if (from) stats_->version.store(from->version, std::memory_order_relaxed);
  running_ = answer(ticket, SavedState{});
  return true;
}

void ReaderInstance::do_rehearse(std::uint64_t ticket) {
  const std::optional<SavedState> from = take_begin_from();
  services_.set_version(from->version);
  auto restored = proxy_.restore(from->state_version, *from->bytes);
  answer(ticket, restored ? Result<SavedState>(SavedState{}) : fail(restored.error()));
}

void ReaderInstance::do_suspend(std::uint64_t ticket) {
  auto saved = save();
  if (!saved) {
    answer(ticket, fail(saved.error()));
    return;
  }
  running_ = !answer(ticket, std::move(*saved));
}

Result<SavedState> ReaderInstance::save() {
  auto bytes = proxy_.save();
  if (!bytes) return fail(bytes.error());
  return SavedState{std::make_shared<const std::string>(std::move(*bytes)),
                    library_->manifest().state_version, pins_.current_version(), pins_.share_current()};
}

void ReaderInstance::save_checkpoint_when_due() {
  if (checkpoint_every_.count() <= 0) return;
  const auto now = Clock::now();
  if (now < checkpoint_due_) return;
  const bool is_first = checkpoint_due_ == Clock::time_point{};
  checkpoint_due_ = next_multiple(now, checkpoint_every_);
  if (is_first) return;
  auto saved = save();
  if (saved) keep_checkpoint(std::move(*saved));
  if (!saved && !checkpoint_failed_) {
    spdlog::warn("reader {}: no checkpoint, a restart would go on from the one before: {}", reader_,
                 saved.error().message);
  }
  checkpoint_failed_ = !saved;
}

void ReaderInstance::keep_checkpoint(SavedState state) {
  if (checkpoint_every_.count() <= 0) return;
  stats_->checkpoint.set(state.version, Clock::now());
  std::optional<SavedState> old = std::move(state);
  const std::lock_guard lock(mutex_);
  std::swap(checkpoint_, old);  // the old one's pin is given up when the mutex is free again
}

/// False: the plugin failed.
bool ReaderInstance::step_or_wait(std::uint32_t signal_seen) {
  if (!catches_up() && Clock::now() < step_due_) {
    wait_until_due();
    return true;
  }
  if (reads_.published_version() != pins_.current_version()) return step();
  if (spins_) {
    spin(signal_seen);
  } else {
    reads_.wait_for_signal(signal_seen, wait_for_signal_max_ns);
  }
  return true;
}

/// Orders change the signal too (wake); one that came with no change is seen after a few microseconds.
void ReaderInstance::spin(std::uint32_t signal_seen) const noexcept {
  constexpr int looks_max = 1000;
  for (int look = 0; look < looks_max && reads_.signal() == signal_seen; ++look) {
#if defined(__x86_64__)
    _mm_pause();
#endif
  }
}

bool ReaderInstance::step() {
  const auto begun = Clock::now();
  if (stats_->steps.load(std::memory_order_relaxed) == 0)
    stats_->first_step_ns.store(unix_now_ns(), std::memory_order_relaxed);
  pins_.begin_step(begun);
  services_.set_version(pins_.current_version());
  auto done = proxy_.on_commit(pins_.previous(), pins_.current());
  stats_->callbacks.record(Nanoseconds(Clock::now() - begun).count());
  pins_.end_step();
  if (!done) {
    set_fault(done.error());
    return false;
  }
  stats_->version.store(pins_.current_version(), std::memory_order_relaxed);
  stats_->version_time_ns.store(pins_.current()->view.commit_time_ns(), std::memory_order_relaxed);
  stats_->steps.fetch_add(1, std::memory_order_relaxed);
  save_checkpoint_when_due();
  step_due_ = begun + Nanoseconds(services_.wake_interval_ns());
  return true;
}

/// Relaxed: it says nothing about other memory; that a sleeper sees it is the mutex's doing, see
/// notice_catch_up.
bool ReaderInstance::catches_up() const noexcept { return catches_up_->load(std::memory_order_relaxed); }

void ReaderInstance::wait_until_due() {
  std::unique_lock lock(mutex_);
  order_came_.wait_until(lock, step_due_,
                         [&] { return command_ != Command::none || end_requested_ || catches_up(); });
}

void ReaderInstance::clean_up() {
  if (proxy_.is_active()) {
    if (const auto stopped = proxy_.stop(); !stopped) {
      spdlog::warn("reader {}: {}", reader_, stopped.error().message);
    }
  }
  if (proxy_.is_created()) proxy_.destroy();
  pins_.release();
}

void ReaderInstance::set_fault(Error error) {
  {
    const std::lock_guard lock(mutex_);
    fault_ = std::move(error);
  }
  on_fault_();
}

void ReaderInstance::mark_ended() {
  stats_->cpu.end();
  stats_->thread.store(0, std::memory_order_relaxed);
  containment::this_plugin_thread.callback = "a thread-local destructor";
  bool unexpected = false;
  {
    const std::lock_guard lock(mutex_);
    unexpected = !end_requested_ && !fault_ && running_;
    if (unexpected) fault_ = Error{ErrorKind::failed, "the plugin ended its thread", {}};
    ended_ = true;
    answered_.notify_all();
  }
  if (unexpected) on_fault_();
}

}  // namespace perch::instances
