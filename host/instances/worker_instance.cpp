#include "instances/worker_instance.hpp"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <fstream>
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
using isolation::Message;
using std::chrono::milliseconds;

/// How often the listener looks whether the process hangs; it says something ten times a second.
constexpr auto look_every = milliseconds(100);
/// Beyond its deadline a callback has this long: the process's own watchdog tells its stack in that time.
constexpr auto kill_grace = milliseconds(500);
constexpr auto kill_wait = std::chrono::seconds(5);
constexpr int channel_fd = 3;

std::string how_it_ended(const siginfo_t& how) {
  if (how.si_code == CLD_EXITED) return "its process exited with status " + std::to_string(how.si_status);
  const char* const name = sigabbrev_np(how.si_status);
  return std::string("its process died of SIG") + (name != nullptr ? name : "?") +
         (how.si_code == CLD_DUMPED ? " (core dumped)" : "");
}

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
  if (!listener_.joinable()) return;
  request_end();
  wait_ended(Nanoseconds(0));
}

// ---- Manager thread

Result<void> WorkerInstance::spawn() {
  auto sockets = isolation::Channel::make_sockets();
  if (!sockets) return fail(sockets.error());
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, sockets->second.get(), channel_fd);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setpgroup(&attributes, 0);  // Ctrl-C is for the host, which ends its workers in order
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  std::string program = workers_.program.string();
  std::string name = "perch-worker";
  std::string reader = spec_.reader;
  char* arguments[] = {name.data(), reader.data(), nullptr};
  const int error = posix_spawn(&pid_, program.c_str(), &actions, &attributes, arguments, environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return fail("run " + program + ": " + std::strerror(error));
  auto handle = ProcessHandle::of_child(pid_);
  auto second = ProcessHandle::of_child(pid_);
  if (!handle || !second) {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    return fail(handle ? second.error() : handle.error());
  }
  pidfd_ = std::move(second->pidfd);
  channel_.emplace(std::move(sockets->first));
  auto attached = processes_.attach(std::move(*handle), spec_.reader + (spec_.is_trial ? " (trial)" : ""),
                                    library_->generation());
  if (attached) {
    const std::lock_guard lock(mutex_);
    attachment_ = std::move(attached->attachment);
    arena_ = std::move(attached->arena);
    slot_page_ = std::move(attached->slot_page);
  }
  listener_ = std::thread([this] { listen(); });
  return attached ? Result<void>() : fail(attached.error());
}

Result<void> WorkerInstance::create(Nanoseconds wait) {
  if (auto spawned = spawn(); !spawned) {
    if (!listener_.joinable()) {
      const std::lock_guard lock(mutex_);
      ended_ = true;
    }
    return spawned;
  }
  if (!spec_.is_trial) {
    for (const std::string& missing : missing_paths(workers_.sandbox))
      spdlog::warn("reader {}: {}", spec_.reader, missing);
  }
  Json setup{{"order", "create"},
             {"reader", spec_.reader},
             {"config", spec_.config},
             {"spin", spec_.spin},
             {"generation", library_->generation()},
             {"copy", library_->copy().string()},
             {"source", library_->source().string()},
             {"checkpoint_ns", checkpoint_every_.count()},
             {"callback_deadline_ns", callback_deadline_.count()},
             {"log_level", log::level()},
             {"tables", tables::to_texts(catalog_)},
             {"sandbox",
              {{"is_on", workers_.sandbox.is_on},
               {"memory_bytes", workers_.sandbox.memory_bytes},
               {"cpu_s", workers_.sandbox.cpu.count()},
               {"files", workers_.sandbox.files}}}};
  for (const auto& path : workers_.sandbox.read) setup["sandbox"]["read"].push_back(path.string());
  for (const auto& path : workers_.sandbox.write) setup["sandbox"]["write"].push_back(path.string());
  UniqueFd arena, slot_page;
  {
    const std::lock_guard lock(mutex_);
    arena = std::move(arena_);
    slot_page = std::move(slot_page_);
  }
  auto reply = call(std::move(setup), {arena.get(), slot_page.get()}, wait, "start and create");
  if (!reply) return fail(reply.error());
  return {};
}

/// Has the process pin the state's version before it hears of it.
Result<void> WorkerInstance::give_state(const char* order, const std::optional<SavedState>& state,
                                        Nanoseconds wait, const char* what) {
  Json message{{"order", order}};
  UniqueFd bytes;
  if (state) {
    auto descriptor = isolation::to_descriptor(*state->bytes);
    if (!descriptor) return fail(descriptor.error());
    bytes = std::move(*descriptor);
    message["version"] = state->version;
    message["state_version"] = state->state_version;
    const std::lock_guard lock(mutex_);
    if (state->snapshot != nullptr &&
        !reads_.processes().hand_over(attachment_.page(), state->snapshot.word()))
      return fail("its process is gone");
  }
  auto reply = call(std::move(message), bytes ? std::vector{bytes.get()} : std::vector<int>(), wait, what);
  if (!reply) return fail(reply.error());
  return {};
}

Result<void> WorkerInstance::begin(std::optional<SavedState> from, Nanoseconds wait) {
  auto begun = give_state("begin", from, wait, "restore and start");
  if (begun && from && checkpoint_every_.count() > 0) {
    stats_->checkpoint.set(from->version, Clock::now());
    const std::lock_guard lock(mutex_);
    checkpoint_ = std::move(from);
  }
  return begun;
}

Result<void> WorkerInstance::rehearse(SavedState state, Nanoseconds wait) {
  return give_state("rehearse", std::move(state), wait, "restore");
}

Result<SavedState> WorkerInstance::suspend(Nanoseconds wait) {
  auto reply = call({{"order", "suspend"}}, {}, wait, "reach the end of its callback and save");
  if (!reply) {
    post("resume");  // should it have suspended all the same, too late
    return fail(reply.error());
  }
  auto state = state_from(*reply);
  if (!state) post("resume");
  return state;
}

Result<void> WorkerInstance::resume(Nanoseconds wait) {
  auto reply = call({{"order", "resume"}}, {}, wait, "resume");
  if (!reply) return fail(reply.error());
  return {};
}

void WorkerInstance::hold() { post("hold"); }
void WorkerInstance::let_go() { post("resume"); }
void WorkerInstance::notice_catch_up() { post("catch_up"); }

void WorkerInstance::post(const char* order) { channel_->send({{"order", order}, {"ticket", 0}}); }

/// Gives an order and waits for its answer.
Result<Message> WorkerInstance::call(Json order, std::vector<int> descriptors, Nanoseconds wait,
                                     const char* what) {
  const auto deadline = Clock::now() + wait;
  std::uint64_t ticket = 0;
  {
    const std::lock_guard lock(mutex_);
    ticket = ++ticket_;
  }
  order["ticket"] = ticket;
  order["wait_ns"] = wait.count();
  const bool sent = channel_->send(order, descriptors);
  std::unique_lock lock(mutex_);
  // A process that is gone is heard of; a fault comes with its end.
  answered_.wait_until(lock, sent ? deadline : Clock::now() + kill_wait,
                       [&] { return answered_ticket_ == ticket || ended_; });
  if (answered_ticket_ == ticket) {
    Message answer = std::move(answer_);
    const auto error = answer.body.find("error");
    if (error != answer.body.end() && error->is_object()) return fail(isolation::error_from(*error));
    return answer;
  }
  ++ticket_;  // what it may still answer is too late
  if (ended_) return fail(fault_ ? *fault_ : Error{ErrorKind::failed, "its process has ended", {}});
  return fail(ErrorKind::timeout,
              "reader " + spec_.reader + " did not " + what + " within " + format_duration(wait));
}

/// A state as the process says it, with the version that it has pinned for it.
Result<SavedState> WorkerInstance::state_from(Message& message) {
  const auto broken = [](const char* why) {
    return fail(std::string("its process gave a state that is none: ") + why);
  };
  if (message.descriptors.size() != 1) return broken("no bytes");
  auto bytes = isolation::from_descriptor(message.descriptors[0].get(), PluginProxy::state_bytes_max);
  if (!bytes) return broken(bytes.error().message.c_str());
  const auto number = [&message](const char* name) {
    const auto found = message.body.find(name);
    return found != message.body.end() && found->is_number_unsigned() ? found->get<std::uint64_t>() : 0;
  };
  SavedState state;
  state.bytes = std::make_shared<const std::string>(std::move(*bytes));
  state.state_version = library_->manifest().state_version;
  state.version = number("version");
  if (state.version == 0) return state;
  const std::uint64_t word = number("word");
  if (tree::version_of_word(word, reads_.published_version()) != state.version)
    return broken("no such version");
  const std::lock_guard lock(mutex_);
  state.snapshot = reads_.take_over(attachment_.page(), word);
  if (state.snapshot == nullptr) return broken("its version is not pinned");
  return state;
}

std::optional<SavedState> WorkerInstance::checkpoint() const {
  const std::lock_guard lock(mutex_);
  return checkpoint_;
}

void WorkerInstance::drop_checkpoint() {
  post("drop_checkpoint");
  stats_->checkpoint.clear();
  const std::lock_guard lock(mutex_);
  checkpoint_.reset();
}

void WorkerInstance::request_end() {
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(end_requested_, true) || ended_ || !channel_) return;
  }
  post("end");
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
  if (listener_.joinable()) listener_.join();
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
              "reader {}: its process {} {}, and was killed", spec_.reader, pid_, why);
  syscall(SYS_pidfd_send_signal, pidfd_.get(), SIGKILL, nullptr, 0);
}

// ---- Listener

void WorkerInstance::listen() {
  pthread_setname_np(pthread_self(), ("w:" + spec_.reader).substr(0, 15).c_str());
  auto heard = Clock::now();
  for (;;) {
    Message message;
    const auto received = channel_->receive(message, look_every, attempts_ ? attempts_->fd() : -1);
    answer_attempts();
    if (received == isolation::Channel::Received::ended) break;
    if (received == isolation::Channel::Received::message) {
      heard = Clock::now();
      hear(std::move(message));
      // Who floods waits: its end of the channel fills up.
      if (!message_limit_.allow(heard)) std::this_thread::sleep_for(look_every / 10);
    }
    // Whoever else may hold its socket, a child of its, say: a process that has ended says nothing more.
    if (received == isolation::Channel::Received::nothing && has_ended()) break;
    look_for_silence(heard);
  }
  reap();
}

void WorkerInstance::hear(Message message) {
  const auto say = message.body.find("say");
  const std::string what = say != message.body.end() && say->is_string() ? say->get<std::string>() : "";
  if (what == "answer") {
    const auto ticket = message.body.find("ticket");
    const std::lock_guard lock(mutex_);
    if (ticket == message.body.end() || !ticket->is_number_unsigned() || *ticket != ticket_) return;
    answered_ticket_ = ticket_;
    answer_ = std::move(message);
    answered_.notify_all();
  } else if (what == "stats") {
    std::int64_t began_ns = 0;
    ReaderStatus status = stats_from(message.body, began_ns);
    stats_->report(std::move(status), began_ns);
  } else if (what == "event") {
    if (spec_.is_trial || !event_limit_.allow(RateLimit::Clock::now())) return;
    Event event = event_from(message.body, spec_.reader, library_->generation());
    const bool is_its_own =
        event.kind == "publication" || event.kind == "reader.slow" || event.kind == "reader.slow_ended";
    if (is_its_own) events_.publish(std::move(event));
  } else if (what == "sandboxed") {
    hear_sandboxed(message);
  } else if (what == "log") {
    hear_log(message.body);
  } else if (what == "checkpoint") {
    keep_checkpoint(message);
  } else if (what == "fault") {
    Error error = isolation::error_from(message.body.value("error", Json::object()));
    // A crash costs this process only: it may start again.
    if (error.kind == ErrorKind::crashed) error.kind = ErrorKind::failed;
    {
      const std::lock_guard lock(mutex_);
      if (!fault_) fault_ = std::move(error);
    }
    on_fault_();
  } else if (what == "ended") {
    const std::lock_guard lock(mutex_);
    const auto left = message.body.find("left");
    if (left != message.body.end() && left->is_string())
      left_behind_ = clean_text(left->get_ref<const std::string&>(), HostServices::log_bytes_max);
  }
}

/// Once, before any of the plugin's code runs.
void WorkerInstance::hear_sandboxed(Message& message) {
  if (attempts_) return;
  const auto lacks = message.body.find("lacks");
  if (lacks != message.body.end() && lacks->is_array() && !lacks->empty())
    spdlog::warn("reader {}: its sandbox is incomplete, this kernel lacks: {}", spec_.reader,
                 clean_text(lacks->dump(), 1000));
  if (message.descriptors.empty()) return;
  isolation::SandboxLimits paths;
  paths.read = workers_.sandbox.read;
  paths.read.push_back(library_->copy());
  paths.write = workers_.sandbox.write;
  attempts_.emplace(std::move(message.descriptors[0]), pid_, paths);
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
  std::ifstream file("/proc/" + std::to_string(pid_) + "/statm");
  std::uint64_t pages[6] = {};
  for (std::uint64_t& each : pages) file >> each;
  const std::uint64_t bytes = pages[5] * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  if (bytes < workers_.sandbox.memory_bytes / 10 * 9) return;
  told_memory_ = true;
  tell_breach("has taken " + format_size(bytes) + " of the " + format_size(workers_.sandbox.memory_bytes) +
              " of memory that its sandbox allows (readers.sandbox.memory)");
}

void WorkerInstance::hear_log(const Json& message) {
  if (!log_limit_.allow(RateLimit::Clock::now())) return;
  const auto level = message.find("level");
  const auto text = message.find("text");
  if (level == message.end() || !level->is_number_integer() || text == message.end() || !text->is_string())
    return;
  const int wanted = std::clamp(level->get<int>(), static_cast<int>(spdlog::level::debug),
                                static_cast<int>(spdlog::level::err));
  const std::string line = clean_text(text->get_ref<const std::string&>(), HostServices::log_bytes_max);
  spdlog::log(spec_.is_trial ? spdlog::level::debug : static_cast<spdlog::level::level_enum>(wanted), "{}{}",
              spec_.is_trial ? "trial: " : "", line);
}

void WorkerInstance::keep_checkpoint(Message& message) {
  if (checkpoint_every_.count() <= 0) return;
  auto state = state_from(message);
  if (!state) return;  // it has given that version up since: the next one comes
  stats_->checkpoint.set(state->version, Clock::now());
  std::optional<SavedState> old = std::move(*state);
  const std::lock_guard lock(mutex_);
  std::swap(checkpoint_, old);
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

bool WorkerInstance::has_ended() const {
  pollfd look{pidfd_.get(), POLLIN, 0};
  return ::poll(&look, 1, 0) > 0;
}

/// The process has hung up: it has ended, or will now. What it has started goes with it.
void WorkerInstance::reap() {
  const auto until = Clock::now() + std::chrono::seconds(1);
  while (!has_ended()) {
    if (Clock::now() > until) kill("hung up, but did not end");
    std::this_thread::sleep_for(milliseconds(1));
  }
  siginfo_t how{};
  ::kill(-pid_, SIGKILL);  // its process group, which is its own as long as it is not reaped
  waitid(P_PIDFD, static_cast<id_t>(pidfd_.get()), &how, WEXITED);
  end(how);
}

void WorkerInstance::end(const siginfo_t& how) {
  bool is_fault = false;
  ReaderProcesses::Attachment gone;
  {
    const std::lock_guard lock(mutex_);
    gone = std::move(attachment_);
    is_fault = !end_requested_ && !fault_;
    const bool is_clean = how.si_code == CLD_EXITED && how.si_status == 0;
    if (!is_clean && !is_fault && left_behind_.empty())
      left_behind_ = killed_for_.empty() ? how_it_ended(how) : "its process " + killed_for_;
    if (!is_clean && end_requested_ && !spec_.is_trial && killed_for_.empty())
      spdlog::warn("reader {}: did not end cleanly: {}", spec_.reader, left_behind_);
    if (is_fault) {
      fault_ =
          Error{ErrorKind::failed,
                killed_for_.empty() ? how_it_ended(how) : "its process " + killed_for_ + ", and was killed",
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
