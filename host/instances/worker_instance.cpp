#include "instances/worker_instance.hpp"

#include <poll.h>

#include <thread>
#include <utility>

#include "base/assert.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "base/units.hpp"
#include "instances/host_services.hpp"
#include "instances/plugin_proxy.hpp"
#include "instances/worker_messages.hpp"
#include "tables/table_texts.hpp"

namespace perch::instances {
namespace {

using Clock = std::chrono::steady_clock;
using isolation::Json;
using std::chrono::milliseconds;

/// How often the listener looks whether the process hangs; it says something ten times a second.
constexpr auto look_every = milliseconds(100);
/// Beyond its deadline a callback has this long: the process's own watchdog tells its stack in that time.
constexpr auto kill_grace = milliseconds(500);
constexpr auto kill_wait = std::chrono::seconds(5);

}  // namespace

WorkerInstance::WorkerInstance(const HostParts& host, const WorkersSpec& workers,
                               std::shared_ptr<plugin::PluginLibrary> library, Spec spec,
                               Nanoseconds callback_deadline)
    : spec_(std::move(spec)),
      workers_(workers),
      library_(std::move(library)),
      catalog_(host.catalog),
      reads_(host.reads),
      events_(host.events),
      on_fault_(host.on_fault),
      processes_(*host.processes),
      checkpoint_every_(spec_.is_trial ? Nanoseconds(0) : host.checkpoint),
      callback_deadline_(callback_deadline) {}

WorkerInstance::~WorkerInstance() {
  if (!listener_.is_joinable()) return;
  request_end();
  wait_ended(Nanoseconds(0));
}

// ---- Manager thread

/// A process with its listener, or neither.
Result<void> WorkerInstance::spawn() {
  auto process = WorkerProcess::start(workers_.program, spec_.reader);
  if (!process) return fail(process.error());
  auto handle = ProcessHandle::of_child((*process)->pid());
  if (!handle) return fail(handle.error());
  auto attached = processes_.attach(std::move(*handle), spec_.reader + (spec_.is_trial ? " (trial)" : ""),
                                    library_->generation());
  if (!attached) return fail(attached.error());
  process_ = std::move(*process);
  {
    const std::lock_guard lock(mutex_);
    attachment_ = std::move(attached->attachment);
    arena_ = std::move(attached->arena);
    slot_page_ = std::move(attached->slot_page);
  }
  auto started = listener_.start("w:" + spec_.reader, [this] { listen(); });
  if (started) return {};
  process_.reset();  // it is gone before its pins are given up
  const std::lock_guard lock(mutex_);
  attachment_ = {};
  return started;
}

orders::Create WorkerInstance::create_order() {
  orders::Create order;
  order.reader = spec_.reader;
  order.config = spec_.config;
  order.spin = spec_.spin;
  order.generation = library_->generation();
  order.copy = library_->copy();
  order.source = library_->source();
  order.checkpoint = checkpoint_every_;
  order.callback_deadline = callback_deadline_;
  order.log_level = log::level();
  order.tables = tables::to_texts(catalog_);
  order.sandbox = workers_.sandbox;
  const std::lock_guard lock(mutex_);
  order.arena = std::move(arena_);
  order.slot_page = std::move(slot_page_);
  return order;
}

Result<void> WorkerInstance::create(Nanoseconds wait) {
  if (auto spawned = spawn(); !spawned) {
    const std::lock_guard lock(mutex_);
    ended_ = true;
    return spawned;
  }
  if (!spec_.is_trial) {
    for (const std::string& missing : missing_paths(workers_.sandbox))
      spdlog::warn("reader {}: {}", spec_.reader, missing);
  }
  auto answer = call(create_order(), wait, "start and create");
  if (!answer) return fail(answer.error());
  return {};
}

/// Has the process pin the state's version before it hears of it.
Result<GivenState> WorkerInstance::give(const SavedState& state) {
  auto bytes = isolation::to_descriptor(*state.bytes);
  if (!bytes) return fail(bytes.error());
  const std::lock_guard lock(mutex_);
  if (state.snapshot != nullptr && !reads_.processes().hand_over(attachment_.page(), state.snapshot.word()))
    return fail("its process is gone");
  return GivenState{state.version, state.state_version, std::move(*bytes)};
}

Result<void> WorkerInstance::begin(std::optional<SavedState> from, Nanoseconds wait) {
  orders::Begin order;
  if (from) {
    auto given = give(*from);
    if (!given) return fail(given.error());
    order.from = std::move(*given);
  }
  if (auto answer = call(std::move(order), wait, "restore and start"); !answer) return fail(answer.error());
  if (from && checkpoint_every_.count() > 0) {
    stats_->checkpoint.set(from->version, Clock::now());
    const std::lock_guard lock(mutex_);
    checkpoint_ = std::move(from);
  }
  return {};
}

Result<void> WorkerInstance::rehearse(SavedState state, Nanoseconds wait) {
  auto given = give(state);
  if (!given) return fail(given.error());
  auto answer = call(orders::Rehearse{std::move(*given)}, wait, "restore");
  if (!answer) return fail(answer.error());
  return {};
}

Result<SavedState> WorkerInstance::suspend(Nanoseconds wait) {
  auto answer = call(orders::Suspend{}, wait, "reach the end of its callback and save");
  if (!answer) {
    post(orders::Resume{});  // should it have suspended all the same, too late
    return fail(answer.error());
  }
  auto state = state_from(answer->state);
  if (!state) post(orders::Resume{});
  return state;
}

Result<void> WorkerInstance::resume(Nanoseconds wait) {
  auto answer = call(orders::Resume{}, wait, "resume");
  if (!answer) return fail(answer.error());
  return {};
}

void WorkerInstance::hold() { post(orders::Hold{}); }
void WorkerInstance::let_go() { post(orders::Resume{}); }
void WorkerInstance::notice_catch_up() { post(orders::CatchUp{}); }

void WorkerInstance::post(AnyOrder what) { send(process_->channel(), Order{std::move(what)}); }

/// Gives an order and waits for its answer.
Result<says::Answer> WorkerInstance::call(AnyOrder what, Nanoseconds wait, const char* doing) {
  const auto deadline = Clock::now() + wait;
  Order order{std::move(what), 0, wait};
  {
    const std::lock_guard lock(mutex_);
    order.ticket = ++ticket_;
    answer_.reset();
  }
  const bool sent = send(process_->channel(), order);
  std::unique_lock lock(mutex_);
  // A process that is gone is heard of; a fault comes with its end.
  answered_.wait_until(lock, sent ? deadline : Clock::now() + kill_wait,
                       [this] { return answer_.has_value() || ended_; });
  if (answer_) {
    says::Answer answer = std::move(*answer_);
    answer_.reset();
    if (answer.error) return fail(std::move(*answer.error));
    return answer;
  }
  ++ticket_;  // what it may still answer is too late
  if (ended_) return fail(fault_ ? *fault_ : Error{ErrorKind::failed, "its process has ended", {}});
  return fail(ErrorKind::timeout,
              "reader " + spec_.reader + " did not " + doing + " within " + format_duration(wait));
}

/// A state as the process says it, with the version that it has pinned for it.
Result<SavedState> WorkerInstance::state_from(const SaidState& said) {
  const auto broken = [](const char* why) {
    return fail(std::string("its process gave a state that is none: ") + why);
  };
  if (!said.bytes) return broken("no bytes");
  auto bytes = isolation::from_descriptor(said.bytes.get(), PluginProxy::state_bytes_max);
  if (!bytes) return broken(bytes.error().message.c_str());
  SavedState state;
  state.bytes = std::make_shared<const std::string>(std::move(*bytes));
  state.state_version = library_->manifest().state_version;
  state.version = said.version;
  if (state.version == 0) return state;
  if (tree::version_of_word(said.word, reads_.published_version()) != state.version)
    return broken("no such version");
  const std::lock_guard lock(mutex_);
  state.snapshot = reads_.take_over(attachment_.page(), said.word);
  if (state.snapshot == nullptr) return broken("its version is not pinned");
  return state;
}

std::optional<SavedState> WorkerInstance::checkpoint() const {
  const std::lock_guard lock(mutex_);
  return checkpoint_;
}

void WorkerInstance::drop_checkpoint() {
  post(orders::DropCheckpoint{});
  stats_->checkpoint.clear();
  const std::lock_guard lock(mutex_);
  checkpoint_.reset();
}

void WorkerInstance::request_end() {
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(end_requested_, true) || ended_ || !process_) return;
  }
  post(orders::End{});
}

bool WorkerInstance::wait_ended(Nanoseconds wait) {
  {
    std::unique_lock lock(mutex_);
    answered_.wait_until(lock, Clock::now() + wait, [this] { return ended_; });
    if (!ended_) {
      lock.unlock();
      kill("did not end within " + format_duration(wait));
      lock.lock();
      answered_.wait_until(lock, Clock::now() + kill_wait, [this] { return ended_; });
      PERCH_ASSERT(ended_, "a process outlives SIGKILL");
    }
  }
  listener_.join();
  return true;
}

void WorkerInstance::abandon() { kill("the host ends"); }

std::optional<Error> WorkerInstance::fault() const {
  const std::lock_guard lock(mutex_);
  return fault_;
}

std::string WorkerInstance::left_behind() const {
  const std::lock_guard lock(mutex_);
  return left_behind_;
}

void WorkerInstance::kill(const std::string& why) {
  {
    const std::lock_guard lock(mutex_);
    if (ended_ || !killed_for_.empty()) return;
    killed_for_ = why;
  }
  spdlog::log(spec_.is_trial ? spdlog::level::debug : spdlog::level::err,
              "reader {}: its process {} {}, and was killed", spec_.reader, process_->pid(), why);
  process_->kill();
}

// ---- Listener

void WorkerInstance::listen() {
  auto heard = Clock::now();
  for (;;) {
    isolation::Message message;
    const auto received = process_->channel().receive(message, look_every, attempts_ ? attempts_->fd() : -1);
    answer_attempts();
    if (received == isolation::Channel::Received::ended) break;
    if (received == isolation::Channel::Received::message) {
      heard = Clock::now();
      hear(std::move(message));
      // Who floods waits: its end of the channel fills up.
      if (!message_limit_.allow(heard)) std::this_thread::sleep_for(look_every / 10);
    }
    // Whoever else may hold its socket, a child of its, say: a process that has ended says nothing more.
    if (received == isolation::Channel::Received::nothing && process_->has_ended()) break;
    look_for_silence(heard);
  }
  reap();
}

void WorkerInstance::hear(isolation::Message message) {
  auto said = worker_message_from(std::move(message));
  if (said) std::visit([this](auto&& each) { heard(std::move(each)); }, std::move(*said));
}

void WorkerInstance::heard(says::Answer said) {
  const std::lock_guard lock(mutex_);
  if (said.ticket != ticket_ || answer_) return;
  answer_ = std::move(said);
  answered_.notify_all();
}

void WorkerInstance::heard(says::Stats said) {
  stats_->report(std::move(said.status), said.callback_began_ns);
}

void WorkerInstance::heard(says::Happened said) {
  if (spec_.is_trial || !event_limit_.allow(RateLimit::Clock::now())) return;
  Event& event = said.event;
  event.reader = spec_.reader;
  event.generation = library_->generation();
  const bool is_its_own =
      event.kind == "publication" || event.kind == "reader.slow" || event.kind == "reader.slow_ended";
  if (is_its_own) events_.publish(std::move(event));
}

/// Once, before any of the plugin's code runs.
void WorkerInstance::heard(says::Sandboxed said) {
  if (attempts_) return;
  if (!said.lacks.empty())
    spdlog::warn("reader {}: its sandbox is incomplete, this kernel lacks: {}", spec_.reader,
                 Json(said.lacks).dump(-1, ' ', false, Json::error_handler_t::replace));
  if (!said.attempts) return;
  isolation::SandboxLimits paths;
  paths.read = workers_.sandbox.read;
  paths.read.push_back(library_->copy());
  paths.write = workers_.sandbox.write;
  attempts_.emplace(std::move(said.attempts), process_->pid(), paths);
}

void WorkerInstance::heard(says::LogLine said) {
  if (!log_limit_.allow(RateLimit::Clock::now())) return;
  spdlog::log(spec_.is_trial ? spdlog::level::debug : static_cast<spdlog::level::level_enum>(said.level),
              "{}{}", spec_.is_trial ? "trial: " : "", said.text);
}

void WorkerInstance::heard(says::Checkpoint said) {
  if (checkpoint_every_.count() <= 0) return;
  auto state = state_from(said.state);
  if (!state) return;  // it has given that version up since: the next one comes
  stats_->checkpoint.set(state->version, Clock::now());
  std::optional<SavedState> old = std::move(*state);
  const std::lock_guard lock(mutex_);
  std::swap(checkpoint_, old);
}

void WorkerInstance::heard(says::Fault said) {
  // A crash costs this process only: it may start again.
  if (said.error.kind == ErrorKind::crashed) said.error.kind = ErrorKind::failed;
  {
    const std::lock_guard lock(mutex_);
    if (!fault_) fault_ = std::move(said.error);
  }
  on_fault_();
}

void WorkerInstance::heard(says::Ended said) {
  const std::lock_guard lock(mutex_);
  left_behind_ = std::move(said.left);
}

void WorkerInstance::answer_attempts() {
  constexpr int attempts_per_turn = 64;
  for (int i = 0; attempts_ && i < attempts_per_turn; ++i) {
    pollfd look{attempts_->fd(), POLLIN, 0};
    if (::poll(&look, 1, 0) <= 0 || (look.revents & POLLIN) == 0) return;
    const std::string tried = attempts_->answer_next();
    if (tried.empty() || !attempt_limit_.allow(RateLimit::Clock::now())) continue;
    tell_breach("tried " + clean_text(tried, 300) + ", which its sandbox does not allow");
  }
}

void WorkerInstance::tell_breach(const std::string& cause) {
  spdlog::warn("reader {} (plugin {} {}): {}{}", spec_.reader, library_->manifest().id,
               library_->manifest().version, spec_.is_trial ? "in its trial, " : "", cause);
  if (spec_.is_trial) return;
  Event event;
  event.kind = "reader.sandboxed";
  event.reader = spec_.reader;
  event.generation = library_->generation();
  event.json = Json{{"cause", cause}}.dump(-1, ' ', false, Json::error_handler_t::replace);
  events_.publish(std::move(event));
}

/// The kernel refuses memory beyond the limit without telling anybody.
void WorkerInstance::look_at_memory() {
  if (!workers_.sandbox.is_on || told_memory_) return;
  const std::uint64_t bytes = process_->memory_bytes();
  if (bytes < workers_.sandbox.memory_bytes / 10 * 9) return;
  told_memory_ = true;
  tell_breach("has taken " + format_size(bytes) + " of the " + format_size(workers_.sandbox.memory_bytes) +
              " of memory that its sandbox allows (readers.sandbox.memory)");
}

void WorkerInstance::look_for_silence(Clock::time_point heard) {
  look_at_memory();
  const auto bound = callback_deadline_ + kill_grace;
  const auto running = stats_->callback.running_for();
  if (running > bound) {
    kill(std::string("has been in ") + stats_->callback.name() + " for " + format_duration(running) +
         ", over its deadline of " + format_duration(callback_deadline_));
  } else if (const auto silent = Clock::now() - heard; silent > bound) {
    kill("has said nothing for " + format_duration(silent));
  }
}

/// The process has hung up: it has ended, or will now. What it has started goes with it.
void WorkerInstance::reap() {
  while (!process_->has_ended(std::chrono::seconds(1))) kill("hung up, but did not end");
  end(process_->reap());
}

void WorkerInstance::end(const WorkerProcess::End& end) {
  bool is_fault = false;
  ReaderProcesses::Attachment gone;
  {
    const std::lock_guard lock(mutex_);
    gone = std::move(attachment_);
    is_fault = !end_requested_ && !fault_;
    if (!end.is_clean && !is_fault && left_behind_.empty())
      left_behind_ = killed_for_.empty() ? end.how : "its process " + killed_for_;
    if (!end.is_clean && end_requested_ && !spec_.is_trial && killed_for_.empty())
      spdlog::warn("reader {}: did not end cleanly: {}", spec_.reader, left_behind_);
    if (is_fault) {
      fault_ = Error{ErrorKind::failed,
                     killed_for_.empty() ? end.how : "its process " + killed_for_ + ", and was killed",
                     {}};
    }
  }
  gone = {};  // its pins are given up before anybody hears that it has ended
  stats_->callback.end();
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
    answered_.notify_all();
  }
  if (is_fault) on_fault_();
}

}  // namespace perch::instances
