#include "check/plugin_life.hpp"

#include <chrono>

namespace perch::check {
namespace {

using Clock = std::chrono::steady_clock;

constexpr const char* thread_ended = "it ended its own thread (pthread_exit), which is the host's";

/// Never what a plugin may answer, whatever it was asked.
bool is_breach(const Error& error) {
  return error.message == thread_ended || error.message.find("the interface forbids") != std::string::npos;
}

std::string bytes_text(std::size_t size) { return std::to_string(size) + (size == 1 ? " byte" : " bytes"); }

}  // namespace

PluginLife::PluginLife(Stage& stage, SampleTables& tables, std::string name, OnError on_error)
    : stage_(stage),
      name_(std::move(name)),
      on_error_(on_error),
      host_(stage.new_host()),
      tables_(plugin::bound_tables(stage.manifest(), tables.catalog()), stage.manifest().id),
      pins_(tables.reads(), tables_, notes_),
      proxy_(stage.plugin().api()) {
  if (auto started = thread_.start(stage.manifest().id, [this] { serve(); }); !started) {
    ended_ = true;
    fail_with(started.error());
  }
}

PluginLife::~PluginLife() {
  if (proxy_.is_active()) stop();
  destroy();
  join();
}

void PluginLife::fail_with(Error error) {
  if (on_error_ == OnError::report || is_breach(error)) stage_.report_failure(name_, error);
  if (!failure_) failure_ = std::move(error);
}

// ---- The thread

void PluginLife::serve() {
  // Also runs when the plugin ends the thread behind our back (pthread_exit unwinds the stack).
  struct Ending {
    PluginLife& life;
    ~Ending() {
      const std::lock_guard lock(life.mutex_);
      life.ended_ = true;
      life.changed_.notify_all();
    }
  } const ending{*this};
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [&] { return task_ != nullptr || ending_; });
    if (task_ == nullptr) return;
    lock.unlock();
    (*task_)();
    lock.lock();
    task_ = nullptr;
    changed_.notify_all();
  }
}

void PluginLife::run_on_thread(const std::function<void()>& task) {
  std::unique_lock lock(mutex_);
  if (ended_) return;
  task_ = &task;
  changed_.notify_all();
  changed_.wait(lock, [&] { return task_ == nullptr || ended_; });
  if (task_ != nullptr) {
    lock.unlock();
    fail_with({ErrorKind::failed, thread_ended, {}});
  }
}

void PluginLife::join() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    changed_.notify_all();
  }
  stage_.report().now(name_, "the end of its thread (thread-local destructors)");
  thread_.join();  // for ever, if need be: the parent has a deadline
  stage_.report().now(name_, "");
}

// ---- Calls

/// `function` runs on the thread and gives a Result.
template <class Function>
auto PluginLife::call(const char* callback, const std::string& activity, Function&& function) {
  using Outcome = decltype(function());
  Outcome outcome = fail("its thread has ended");
  stage_.report().now(name_, activity);
  run_on_thread([&] {
    const auto began = Clock::now();
    outcome = function();
    stage_.seen().add_time(callback, std::chrono::nanoseconds(Clock::now() - began).count());
  });
  stage_.report().now(name_, "");
  if (!outcome && !failure_) fail_with(outcome.error());
  return outcome;
}

void PluginLife::begin() {
  create();
  start();
}

void PluginLife::take_over(const instances::SavedState& state) {
  create();
  restore(state);
  start();
}

void PluginLife::end() {
  stop();
  destroy();
}

void PluginLife::create(const std::string& config) {
  if (has_failed()) return;
  call("create", "create with " + config, [&] {
    host_.services().begin_on_this_thread();
    auto created = proxy_.create(host_.host(), config);
    host_.services().allow_wake_every(false);
    return created;
  });
}

void PluginLife::restore(const instances::SavedState& state) {
  if (has_failed()) return;
  host_.set_version(state.version);
  call("restore",
       "restore of " + bytes_text(state.bytes->size()) + ", state version " +
           std::to_string(state.state_version),
       [&]() -> Result<void> {
         auto restored = proxy_.restore(state.state_version, *state.bytes);
         if (restored) pins_.start_at(state.snapshot, Clock::now());
         return restored;
       });
}

void PluginLife::start() {
  if (has_failed()) return;
  call("start", "start", [&] {
    host_.services().allow_wake_every(true);
    auto started = proxy_.start();
    host_.services().allow_wake_every(false);
    return started;
  });
}

void PluginLife::step() {
  if (has_failed()) return;
  const tree::Version from = pins_.current_version();
  call("on_commit", "on_commit from version " + std::to_string(from), [&] {
    pins_.begin_step(Clock::now());
    host_.set_version(pins_.current_version());
    auto done = proxy_.on_commit(pins_.previous(), pins_.current());
    pins_.end_step();
    return done;
  });
}

instances::SavedState PluginLife::save() {
  if (has_failed()) return {};
  auto state = call("save", "save as of version " + std::to_string(pins_.current_version()),
                    [&] { return proxy_.save(); });
  if (!state) return {};
  return {std::make_shared<const std::string>(std::move(*state)), stage_.manifest().state_version,
          pins_.current_version(), pins_.share_current()};
}

void PluginLife::stop() {
  if (proxy_.is_active()) call("stop", "stop", [&] { return proxy_.stop(); });
}

void PluginLife::destroy() {
  if (!proxy_.is_created()) return;
  call("destroy", "destroy", [&]() -> Result<void> {
    proxy_.destroy();
    return {};
  });
  pins_.release();
}

}  // namespace perch::check
