#include "worker/worker.hpp"

#include <pthread.h>
#include <spdlog/async.h>
#include <spdlog/sinks/base_sink.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>

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
    channel_.send({{"say", "log"},
                   {"level", static_cast<int>(message.level)},
                   {"text", std::string(message.payload.data(), message.payload.size())}});
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
  Result<void> set_up(isolation::Message& setup);
  Result<void> go_into_sandbox(const isolation::Json& setup);
  Result<void> load(const isolation::Json& setup);
  bool obey(isolation::Message& order);
  void answer(const isolation::Json& order, const Result<void>& done);
  void answer_with_state(const isolation::Json& order, const Result<instances::SavedState>& state);
  Result<void> begin(isolation::Message& order, bool is_rehearsal);
  isolation::Json state_message(const instances::SavedState& state, const char* say) const;
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

  std::thread teller_;
  bool told_fault_ = false;                             // the teller's
  std::mutex mutex_;                                    // guards what follows
  std::shared_ptr<instances::ReaderInstance> told_of_;  // instance_, once it is there
  tree::Version told_checkpoint_ = 0;                   // the last one that the host has
  std::condition_variable woken_;
  bool is_woken_ = false;
  bool stopping_ = false;
};

std::int64_t number_in(const isolation::Json& json, const char* name) {
  return json.value(name, std::int64_t{0});
}

/// The plugin's own copy, too.
isolation::SandboxLimits limits_from(const isolation::Json& setup) {
  const isolation::Json& wanted = setup.at("sandbox");
  isolation::SandboxLimits limits;
  const auto add = [&wanted](const char* name, std::vector<std::filesystem::path>& paths) {
    for (const auto& path : wanted.value(name, std::vector<std::string>{})) paths.emplace_back(path);
  };
  add("read", limits.read);
  add("write", limits.write);
  limits.read.emplace_back(setup.at("copy").get<std::string>());
  limits.memory_bytes = wanted.value("memory_bytes", std::uint64_t{0});
  limits.cpu_s = number_in(wanted, "cpu_s");
  limits.files = wanted.value("files", std::uint64_t{64});
  return limits;
}

int Worker::run() {
  isolation::Message message;
  if (channel_.receive(message, std::chrono::seconds(10)) != isolation::Channel::Received::message) return 1;
  if (auto ready = set_up(message); !ready) {
    answer(message.body, ready);
    return 1;
  }
  auto created = load(message.body);
  if (created) created = instance_->create(deadline_);
  answer(message.body, created);
  for (;;) {
    const auto received = channel_.receive(message, std::chrono::hours(1));
    if (received == isolation::Channel::Received::ended) return 1;  // the host is gone
    if (received == isolation::Channel::Received::nothing) continue;
    if (!obey(message)) return end();
  }
}

/// From here on this process can do what a reader may, and no more.
Result<void> Worker::go_into_sandbox(const isolation::Json& setup) {
  const isolation::Json wanted = setup.value("sandbox", isolation::Json::object());
  if (!wanted.value("is_on", true)) return {};
  auto sandbox = enter_sandbox(limits_from(setup));
  if (!sandbox) return fail(sandbox.error());
  isolation::Json message{{"say", "sandboxed"}, {"lacks", sandbox->lacks}};
  if (!sandbox->attempts) {
    channel_.send(message);
  } else {
    channel_.send(message, {sandbox->attempts.get()});
  }
  return {};
}

Result<void> Worker::set_up(isolation::Message& setup) {
  const isolation::Json& wanted = setup.body;
  if (setup.descriptors.size() != 2) return fail("the host gave no descriptors for its tree");
  auto arena = tree::MappedArena::map(setup.descriptors[0].get(), setup.descriptors[1].get());
  if (!arena) return fail(arena.error());
  arena_.emplace(std::move(*arena));
  setup.descriptors.clear();  // mapped: nothing else is done with them
  // Before the first thread: the rules hold for those that come after.
  if (auto in = go_into_sandbox(wanted); !in) return in;
  log_pool_ = std::make_shared<spdlog::details::thread_pool>(log_lines_max, 1);
  auto logger =
      std::make_shared<spdlog::async_logger>("worker", std::make_shared<ChannelSink>(channel_), log_pool_,
                                             spdlog::async_overflow_policy::overrun_oldest);
  spdlog::set_default_logger(logger);
  static_cast<void>(log::set_level(wanted.value("log_level", "info")));
  reads_ = std::make_unique<tree::ReadSide>(arena_->base(), arena_->slot_page());
  auto catalog = tables::from_texts(nlohmann::ordered_json(wanted.at("tables")));
  if (!catalog) return fail(catalog.error());
  catalog_ = std::move(*catalog);
  deadline_ = nanoseconds(number_in(wanted, "callback_deadline_ns"));
  watchdog_ = std::make_unique<instances::Watchdog>(
      instances::WatchdogSpec{deadline_, 0}, events_, [] { return std::vector<instances::PinHolder>(); },
      std::function<std::vector<tree::RetainedVersion>()>());
  said_ = events_.subscribe(events_max, nullptr, [this] { wake_teller(); });
  containment::install_crash_signals();
  threads_.make_ready();
  watchdog_->start();
  teller_ = std::thread([this] { tell(); });
  return {};
}

Result<void> Worker::load(const isolation::Json& setup) {
  const std::filesystem::path copy = setup.at("copy").get<std::string>();
  auto file = plugin::PluginFile::open_copy(copy);
  if (!file) return fail(file.error());
  file->show_as(setup.value("source", ""));
  auto library = plugin::PluginLibrary::load(*file, copy, setup.value("generation", std::uint64_t{0}),
                                             plugin::CopyOwner::somebody_else);
  if (!library) return fail(library.error());
  library_ = std::move(*library);
  const instances::HostParts host{catalog_,    *reads_,
                                  events_,     [this] { wake_teller(); },
                                  catches_up_, nanoseconds(number_in(setup, "checkpoint_ns")),
                                  *watchdog_,  threads_};
  instance_ = std::make_shared<instances::ReaderInstance>(host, library_, setup.value("reader", ""),
                                                          setup.value("config", "{}"));
  if (setup.value("spin", false)) instance_->spin_for_commits();
  const std::lock_guard lock(mutex_);
  told_of_ = instance_;
  return {};
}

/// False: it is time to end.
bool Worker::obey(isolation::Message& message) {
  const std::string order = message.body.value("order", "");
  const nanoseconds wait(number_in(message.body, "wait_ns"));
  if (order == "end" || !instance_) return false;
  if (order == "begin" || order == "rehearse") {
    answer(message.body, begin(message, order == "rehearse"));
  } else if (order == "suspend") {
    answer_with_state(message.body, instance_->suspend(wait));
  } else if (order == "resume") {
    answer(message.body, instance_->resume(deadline_));
  } else if (order == "hold") {
    instance_->hold();
  } else if (order == "catch_up") {
    catches_up_->store(true, std::memory_order_relaxed);  // see ReaderInstance::catches_up
    instance_->notice_catch_up();
  } else if (order == "drop_checkpoint") {
    instance_->drop_checkpoint();
  }
  return true;
}

Result<void> Worker::begin(isolation::Message& order, bool is_rehearsal) {
  const nanoseconds wait(number_in(order.body, "wait_ns"));
  std::optional<instances::SavedState> from;
  if (!order.descriptors.empty()) {
    auto bytes =
        isolation::from_descriptor(order.descriptors[0].get(), instances::PluginProxy::state_bytes_max);
    if (!bytes) return fail(bytes.error());
    from.emplace();
    from->bytes = std::make_shared<const std::string>(std::move(*bytes));
    from->state_version = order.body.value("state_version", std::uint32_t{0});
    from->version = order.body.value("version", tree::Version{0});
    if (from->version > 0) from->snapshot = reads_->handed_over();
    const std::lock_guard lock(mutex_);
    told_checkpoint_ = from->version;
  }
  if (is_rehearsal) return instance_->rehearse(std::move(*from), wait);
  return instance_->begin(std::move(from), wait);
}

void Worker::answer(const isolation::Json& order, const Result<void>& done) {
  const isolation::Json ticket = order.value("ticket", isolation::Json(0));
  if (ticket == 0) return;  // nobody waits for it
  isolation::Json message{{"say", "answer"}, {"ticket", ticket}};
  if (!done) message["error"] = isolation::to_json(done.error());
  channel_.send(message);
}

isolation::Json Worker::state_message(const instances::SavedState& state, const char* say) const {
  return {{"say", say}, {"version", state.version}, {"word", state.snapshot ? state.snapshot.word() : 0}};
}

void Worker::answer_with_state(const isolation::Json& order, const Result<instances::SavedState>& state) {
  if (!state) return answer(order, fail(state.error()));
  const auto bytes = isolation::to_descriptor(*state->bytes);
  if (!bytes) return answer(order, fail(bytes.error()));
  isolation::Json message = state_message(*state, "answer");
  message["ticket"] = order.value("ticket", isolation::Json(0));
  channel_.send(message, {bytes->get()});
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
  if (instance_ && has_ended) channel_.send(instances::stats_message(*instance_->stats()));
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
  channel_.send({{"say", "ended"}, {"left", left}});
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
  if (teller_.joinable()) teller_.join();
}

void Worker::tell() {
  pthread_setname_np(pthread_self(), "teller");
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
      channel_.send(instance ? instances::stats_message(*instance->stats())
                             : isolation::Json{{"say", "stats"}});
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
  channel_.send({{"say", "fault"}, {"error", isolation::to_json(*fault)}});
}

void Worker::tell_checkpoint() {
  const auto instance = told_of();
  const auto checkpoint = instance ? instance->checkpoint() : std::nullopt;
  if (!checkpoint) return;
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(told_checkpoint_, checkpoint->version) == checkpoint->version) return;
  }
  if (const auto bytes = isolation::to_descriptor(*checkpoint->bytes))
    channel_.send(state_message(*checkpoint, "checkpoint"), {bytes->get()});
}

void Worker::tell_events() {
  std::uint64_t dropped = 0;
  while (const auto event = said_->take(dropped)) channel_.send(instances::event_message(*event));
  if (dropped > 0) spdlog::warn("{} results were dropped: the host takes them too slowly", dropped);
}

}  // namespace

int run_worker(int channel) {
  // Never destroyed: threads of the plugin may still use it.
  return (new Worker(channel))->run();
}

}  // namespace perch::worker
