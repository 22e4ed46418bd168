#include "worker/worker.hpp"

#include <spdlog/async.h>
#include <spdlog/sinks/base_sink.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>

#include "base/joinable_thread.hpp"
#include "base/log.hpp"
#include "containment/crash_signals.hpp"
#include "instances/event_hub.hpp"
#include "instances/reader_instance.hpp"
#include "instances/watchdog.hpp"
#include "instances/worker_messages.hpp"
#include "isolation/channel.hpp"
#include "isolation/sandbox.hpp"
#include "plugin/plugin_file.hpp"
#include "plugin/plugin_library.hpp"
#include "tables/table_texts.hpp"
#include "tree/mapped_arena.hpp"

namespace perch::worker {
namespace {

namespace orders = instances::orders;
namespace says = instances::says;
using instances::Order;
using instances::send;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;

/// How often the host hears how the instance does: it may think that a process is dead that says nothing.
constexpr auto tell_every = milliseconds(100);
constexpr std::size_t events_max = 1024;
constexpr std::size_t log_lines_max = 1024;

/// The log of this process is the host's.
class ChannelSink : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit ChannelSink(isolation::Channel& channel) : channel_(channel) {}

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    send(channel_, says::LogLine{static_cast<int>(message.level),
                                 std::string(message.payload.data(), message.payload.size())});
  }
  void flush_() override {}

 private:
  isolation::Channel& channel_;
};

/// Everything but `tell` and `wake_teller` runs on the process's first thread.
class Worker {
 public:
  explicit Worker(int channel) : channel_(UniqueFd(channel)) {}
  int run();

 private:
  std::optional<Order> first_order();
  Result<void> set_up(orders::Create& setup);
  Result<void> start_log(const std::string& level);
  Result<void> go_into_sandbox(const orders::Create& setup);
  Result<void> load(const orders::Create& setup);
  void obey(orders::Begin& what, const Order& order);
  void obey(orders::Rehearse& what, const Order& order);
  void obey(orders::Suspend& what, const Order& order);
  void obey(orders::Resume& what, const Order& order);
  void obey(orders::Hold& what, const Order& order);
  void obey(orders::CatchUp& what, const Order& order);
  void obey(orders::DropCheckpoint& what, const Order& order);
  void obey(orders::Create&, const Order&) {}  // set_up's
  void obey(orders::End&, const Order&) {}     // end's
  void answer(const Order& order, const Result<void>& done, instances::SaidState state = {});
  Result<instances::SavedState> take(const instances::GivenState& given);
  int end();

  void tell();
  std::shared_ptr<instances::ReaderInstance> told_of();
  void tell_events();
  void tell_checkpoint();
  void tell_fault();
  void stop_teller();
  void wake_teller();

  isolation::Channel channel_;
  std::optional<tree::MappedArena> arena_;
  std::unique_ptr<tree::ReadSide> reads_;
  tables::Catalog catalog_;
  instances::EventHub events_;
  std::unique_ptr<instances::Watchdog> watchdog_;
  ThreadSupply threads_;
  std::shared_ptr<spdlog::details::thread_pool> log_pool_;
  const std::shared_ptr<std::atomic<bool>> catches_up_ = std::make_shared<std::atomic<bool>>(false);
  std::shared_ptr<plugin::PluginLibrary> library_;
  std::shared_ptr<instances::ReaderInstance> instance_;
  nanoseconds deadline_{0};
  std::shared_ptr<instances::Subscription> said_;

  JoinableThread teller_;
  bool told_fault_ = false;                             // the teller's
  std::mutex mutex_;                                    // guards what follows
  std::shared_ptr<instances::ReaderInstance> told_of_;  // instance_, once it is there
  tree::Version told_checkpoint_ = 0;                   // the last one that the host has
  std::condition_variable woken_;
  bool is_woken_ = false;
  bool stopping_ = false;
};

/// The plugin's own copy, too.
isolation::SandboxLimits limits_from(const orders::Create& setup) {
  const instances::SandboxSpec& wanted = setup.sandbox;
  isolation::SandboxLimits limits{wanted.read, wanted.write, wanted.memory_bytes, wanted.cpu.count(),
                                  wanted.files};
  limits.read.push_back(setup.copy);
  return limits;
}

/// What the host gets of a state.
Result<instances::SaidState> said_of(const instances::SavedState& state) {
  auto bytes = isolation::to_descriptor(*state.bytes);
  if (!bytes) return fail(bytes.error());
  return instances::SaidState{state.version, state.snapshot ? state.snapshot.word() : 0, std::move(*bytes)};
}

std::optional<Order> Worker::first_order() {
  isolation::Message message;
  if (channel_.receive(message, std::chrono::seconds(10)) != isolation::Channel::Received::message) return {};
  auto order = instances::order_from(std::move(message));
  return order && std::holds_alternative<orders::Create>(order->what) ? std::move(order) : std::nullopt;
}

int Worker::run() {
  auto first = first_order();
  if (!first) return 1;
  auto& setup = std::get<orders::Create>(first->what);
  if (auto ready = set_up(setup); !ready) {
    answer(*first, ready);
    return 1;
  }
  auto created = load(setup);
  if (created) created = instance_->create(deadline_);
  answer(*first, created);
  for (;;) {
    isolation::Message message;
    const auto received = channel_.receive(message, std::chrono::hours(1));
    if (received == isolation::Channel::Received::ended) return 1;  // the host is gone
    if (received == isolation::Channel::Received::nothing) continue;
    auto order = instances::order_from(std::move(message));
    if (!order) continue;
    if (!instance_ || std::holds_alternative<orders::End>(order->what)) return end();
    std::visit([&](auto& what) { obey(what, *order); }, order->what);
  }
}

/// From here on this process can do what a reader may, and no more.
Result<void> Worker::go_into_sandbox(const orders::Create& setup) {
  if (!setup.sandbox.is_on) return {};
  auto sandbox = enter_sandbox(limits_from(setup));
  if (!sandbox) return fail(sandbox.error());
  send(channel_, says::Sandboxed{std::move(sandbox->lacks), std::move(sandbox->attempts)});
  return {};
}

Result<void> Worker::start_log(const std::string& level) {
  auto pool = log::make_pool(log_lines_max);
  if (!pool) return fail(pool.error());
  log_pool_ = std::move(*pool);
  auto logger =
      std::make_shared<spdlog::async_logger>("worker", std::make_shared<ChannelSink>(channel_), log_pool_,
                                             spdlog::async_overflow_policy::overrun_oldest);
  spdlog::set_default_logger(logger);
  static_cast<void>(log::set_level(level));
  return {};
}

Result<void> Worker::set_up(orders::Create& setup) {
  if (!setup.arena || !setup.slot_page) return fail("the host gave no descriptors for its tree");
  auto arena = tree::MappedArena::map(setup.arena.get(), setup.slot_page.get());
  if (!arena) return fail(arena.error());
  arena_.emplace(std::move(*arena));
  setup.arena.reset();  // mapped: nothing else is done with them
  setup.slot_page.reset();
  // Before the first thread: the rules hold for those that come after.
  if (auto in = go_into_sandbox(setup); !in) return in;
  if (auto started = start_log(setup.log_level); !started) return started;
  reads_ = std::make_unique<tree::ReadSide>(arena_->base(), arena_->slot_page());
  auto catalog = tables::from_texts(nlohmann::ordered_json(setup.tables));
  if (!catalog) return fail(catalog.error());
  catalog_ = std::move(*catalog);
  deadline_ = setup.callback_deadline;
  watchdog_ = std::make_unique<instances::Watchdog>(
      instances::WatchdogSpec{deadline_, 0}, events_, [] { return std::vector<instances::PinHolder>(); },
      std::function<std::vector<tree::RetainedVersion>()>());
  said_ = events_.subscribe(events_max, nullptr, [this] { wake_teller(); });
  containment::install_crash_signals();
  threads_.make_ready();
  if (auto started = watchdog_->start(); !started) return started;
  return teller_.start("teller", [this] { tell(); });
}

Result<void> Worker::load(const orders::Create& setup) {
  auto file = plugin::PluginFile::open_copy(setup.copy);
  if (!file) return fail(file.error());
  file->show_as(setup.source);
  auto library =
      plugin::PluginLibrary::load(*file, setup.copy, setup.generation, plugin::CopyOwner::somebody_else);
  if (!library) return fail(library.error());
  library_ = std::move(*library);
  const instances::HostParts host{catalog_,    *reads_,          events_,    [this] { wake_teller(); },
                                  catches_up_, setup.checkpoint, *watchdog_, threads_};
  instance_ = std::make_shared<instances::ReaderInstance>(host, library_, setup.reader, setup.config);
  if (setup.spin) instance_->spin_for_commits();
  const std::lock_guard lock(mutex_);
  told_of_ = instance_;
  return {};
}

void Worker::obey(orders::Begin& what, const Order& order) {
  std::optional<instances::SavedState> from;
  if (what.from) {
    auto taken = take(*what.from);
    if (!taken) return answer(order, fail(taken.error()));
    from = std::move(*taken);
  }
  answer(order, instance_->begin(std::move(from), order.wait));
}

void Worker::obey(orders::Rehearse& what, const Order& order) {
  auto taken = take(what.state);
  answer(order, taken ? instance_->rehearse(std::move(*taken), order.wait) : fail(taken.error()));
}

void Worker::obey(orders::Suspend&, const Order& order) {
  const auto state = instance_->suspend(order.wait);
  auto said = state ? said_of(*state) : fail(state.error());
  if (!said) return answer(order, fail(said.error()));
  answer(order, {}, std::move(*said));
}

void Worker::obey(orders::Resume&, const Order& order) { answer(order, instance_->resume(deadline_)); }

void Worker::obey(orders::Hold&, const Order&) { instance_->hold(); }

void Worker::obey(orders::CatchUp&, const Order&) {
  catches_up_->store(true, std::memory_order_relaxed);  // see ReaderInstance::catches_up
  instance_->notice_catch_up();
}

void Worker::obey(orders::DropCheckpoint&, const Order&) { instance_->drop_checkpoint(); }

/// The state that the host gives, with the version that it has pinned for this process.
Result<instances::SavedState> Worker::take(const instances::GivenState& given) {
  auto bytes = isolation::from_descriptor(given.bytes.get(), instances::PluginProxy::state_bytes_max);
  if (!bytes) return fail(bytes.error());
  instances::SavedState state;
  state.bytes = std::make_shared<const std::string>(std::move(*bytes));
  state.state_version = given.state_version;
  state.version = given.version;
  if (state.version > 0) state.snapshot = reads_->handed_over();
  const std::lock_guard lock(mutex_);
  told_checkpoint_ = state.version;
  return state;
}

void Worker::answer(const Order& order, const Result<void>& done, instances::SaidState state) {
  if (order.ticket == 0) return;  // nobody waits for it
  says::Answer said{order.ticket, std::nullopt, std::move(state)};
  if (!done) said.error = done.error();
  send(channel_, std::move(said));
}

/// Stop, destroy, unload; says what is left behind of it.
int Worker::end() {
  bool has_ended = true;
  std::string left;
  if (instance_) {
    instance_->request_end();
    has_ended = !instance_->is_parked() && instance_->wait_ended(deadline_);
  }
  stop_teller();
  tell_events();
  tell_fault();
  if (instance_ && has_ended) send(channel_, instances::stats_of(*instance_->stats()));
  if (!has_ended) {
    left = "its thread did not end";
  } else if (library_) {
    instance_.reset();
    told_of_.reset();
    if (const int threads = library_->threads()->count(); threads > 0) {
      left = "left " + std::to_string(threads) + (threads == 1 ? " thread" : " threads") +
             " running (destroy must end the plugin's threads)";
    } else {
      left = library_->unload();
    }
  }
  spdlog::shutdown();  // what was logged comes first
  send(channel_, says::Ended{left});
  return has_ended ? 0 : 1;
}

// ---- Teller

void Worker::wake_teller() {
  const std::lock_guard lock(mutex_);
  is_woken_ = true;
  woken_.notify_one();
}

void Worker::stop_teller() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    woken_.notify_one();
  }
  teller_.join();
}

void Worker::tell() {
  auto stats_due = std::chrono::steady_clock::now();
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    woken_.wait_until(lock, stats_due, [this] { return is_woken_ || stopping_; });
    is_woken_ = false;
    lock.unlock();
    tell_events();
    tell_fault();
    if (std::chrono::steady_clock::now() >= stats_due) {
      stats_due = std::chrono::steady_clock::now() + tell_every;
      tell_checkpoint();
      const auto instance = told_of();
      send(channel_, instance ? instances::stats_of(*instance->stats()) : says::Stats{});
    }
    lock.lock();
  }
}

std::shared_ptr<instances::ReaderInstance> Worker::told_of() {
  const std::lock_guard lock(mutex_);
  return told_of_;
}

void Worker::tell_fault() {
  const auto instance = told_of();
  if (!instance || told_fault_) return;
  auto fault = instance->fault();
  if (!fault) return;
  told_fault_ = true;
  // A thread that is parked is parked in this process, which ends now.
  constexpr std::string_view parked = "; its thread is parked for good";
  if (fault->message.ends_with(parked)) fault->message.resize(fault->message.size() - parked.size());
  send(channel_, says::Fault{std::move(*fault)});
}

void Worker::tell_checkpoint() {
  const auto instance = told_of();
  const auto checkpoint = instance ? instance->checkpoint() : std::nullopt;
  if (!checkpoint) return;
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(told_checkpoint_, checkpoint->version) == checkpoint->version) return;
  }
  if (auto said = said_of(*checkpoint)) send(channel_, says::Checkpoint{std::move(*said)});
}

void Worker::tell_events() {
  std::uint64_t dropped = 0;
  while (auto event = said_->take(dropped)) send(channel_, says::Happened{std::move(*event)});
  if (dropped > 0) spdlog::warn("{} results were dropped: the host takes them too slowly", dropped);
}

}  // namespace

int run_worker(int channel) {
  // Never destroyed: threads of the plugin may still use it.
  return (new Worker(channel))->run();
}

}  // namespace perch::worker
