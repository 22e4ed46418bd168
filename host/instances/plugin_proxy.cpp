#include "instances/plugin_proxy.hpp"

#include <cxxabi.h>

#include <cstring>
#include <utility>

#include "base/assert.hpp"
#include "base/text.hpp"
#include "containment/instance_guard.hpp"
#include "containment/interposed_libc.hpp"
#include "reading/rule_breaches.hpp"

namespace perch::instances {
namespace {

/// What a plugin's function did wrong; its message is behind it.
Error error_of(const std::string& function, perch_result result, const perch_error& error, bool is_create) {
  const std::string text =
      clean_text({error.message, strnlen(error.message, sizeof error.message)}, sizeof error.message);
  const std::string more = text.empty() ? "" : ": " + text;
  if (result == PERCH_BAD_CONFIG && is_create) {
    return {
        ErrorKind::usage, function + (text.empty() ? ": the config is wrong, without a message" : more), {}};
  }
  if (result == PERCH_BAD_CONFIG) {
    return {
        ErrorKind::failed, function + ": returned PERCH_BAD_CONFIG, which is for create alone" + more, {}};
  }
  if (result != PERCH_FAILED) {
    return {ErrorKind::failed,
            function + ": returned " + std::to_string(result) + ", which is no perch_result" + more,
            {}};
  }
  return {ErrorKind::failed, function + (text.empty() ? ": failed without a message" : more), {}};
}

}  // namespace

PluginProxy::PluginProxy(const perch_plugin_api& api, CallbackNote* note) noexcept
    : api_(&api), note_(note), sink_{sizeof sink_, 0, this, write} {}

namespace {

/// While this lives, a function of the plugin runs on this thread, and everybody may know it.
class InCallback {
 public:
  InCallback(const char* name, CallbackNote* note) noexcept : note_(note) {
    if (note_ != nullptr) note_->begin(name, CallbackNote::Clock::now());
    containment::this_plugin_thread.callback = name;
  }
  ~InCallback() {
    containment::this_plugin_thread.callback = nullptr;
    if (note_ != nullptr) note_->end();
    containment::end_forked_children();
  }
  InCallback(const InCallback&) = delete;
  InCallback& operator=(const InCallback&) = delete;

 private:
  CallbackNote* const note_;
};

}  // namespace

/// Calls one of the plugin's functions with a fresh perch_error. The interface allows no exception; one that
/// comes anyway ends here, where it can still be destroyed by the library that threw it.
template <class Function>
Result<void> PluginProxy::call(const char* function_name, Function&& function) {
  PERCH_ASSERT(std::this_thread::get_id() == thread_, "a plugin is called on its own thread only");
  perch_error error{};
  perch_result result = PERCH_FAILED;
  const InCallback in_callback(function_name, note_);
  try {
    result = function(&error);
  } catch (const abi::__forced_unwind&) {
    throw;  // pthread_exit or cancellation cannot be stopped
  } catch (...) {
    return fail(std::string(function_name) + ": let an exception out, which the interface forbids");
  }
  if (result == PERCH_OK) return {};
  return fail(error_of(function_name, result, error, state_ == State::none));
}

void PluginProxy::expect(State state) const {
  PERCH_ASSERT(state_ == state, "a plugin is called in the wrong state");
}

Result<void> PluginProxy::create(const perch_host* host, std::string_view config) {
  expect(State::none);
  thread_ = std::this_thread::get_id();
  void* made = nullptr;
  auto created = call("create", [&](perch_error* error) {
    return api_->create(host, {config.data(), config.size()}, &made, error);
  });
  if (!created) return created;
  instance_ = made;  // null when the plugin needs none
  state_ = State::created;
  return {};
}

Result<void> PluginProxy::restore(std::uint32_t state_version, std::string_view state) {
  expect(State::created);
  return call("restore", [&](perch_error* error) {
    return api_->restore(instance_, state_version, state.data(), state.size(), error);
  });
}

Result<void> PluginProxy::start() {
  expect(State::created);
  auto started = call("start", [&](perch_error* error) { return api_->start(instance_, error); });
  if (started) state_ = State::active;
  return started;
}

Result<void> PluginProxy::on_commit(const perch_snapshot* previous, const perch_snapshot* current) {
  expect(State::active);
  const perch_step step{sizeof step, 0, previous, current};
  return call("on_commit", [&](perch_error* error) { return api_->on_commit(instance_, &step, error); });
}

Result<std::string> PluginProxy::save() {
  expect(State::active);
  is_saving_ = true;
  auto result = call("save", [&](perch_error* error) { return api_->save(instance_, &sink_, error); });
  is_saving_ = false;
  std::string state = std::exchange(saved_, {});
  const std::string refusal = std::exchange(refusal_, {});
  if (!result && !refusal.empty()) result.error().message += " (the host took no more: " + refusal + ")";
  if (!result) return fail(result.error());
  if (!refusal.empty()) return fail("save: returned PERCH_OK although its state was refused: " + refusal);
  return state;
}

/// perch_state_sink.write
perch_result PluginProxy::write(void* context, const void* bytes, std::size_t size) noexcept {
  auto& self = *static_cast<PluginProxy*>(context);
  if (std::this_thread::get_id() != self.thread_) {
    reading::RuleBreaches::of_this_thread().report("perch_state_sink.write",
                                                   "on another thread than the reader's");
    return PERCH_FAILED;
  }
  try {
    return self.append(bytes, size);
  } catch (...) {  // out of memory: no exception may cross the interface
    return PERCH_FAILED;
  }
}

/// What was refused once stays refused: a state with a hole in it is none.
perch_result PluginProxy::append(const void* bytes, std::size_t size) {
  if (!is_saving_) {
    reading::RuleBreaches::of_this_thread().report("perch_state_sink.write", "after save has returned");
    return PERCH_FAILED;
  }
  if (!refusal_.empty()) return PERCH_FAILED;
  if (bytes == nullptr && size > 0) {
    refusal_ = "write was given a null pointer for " + std::to_string(size) + " bytes";
    return PERCH_FAILED;
  }
  if (size > state_bytes_max - saved_.size()) {
    refusal_ = "it is over 1 GiB";
    return PERCH_FAILED;
  }
  refusal_ = "out of memory";  // until it is there
  saved_.append(static_cast<const char*>(bytes), size);
  refusal_.clear();
  return PERCH_OK;
}

Result<void> PluginProxy::stop() {
  expect(State::active);
  state_ = State::stopped;
  return call("stop", [&](perch_error* error) { return api_->stop(instance_, error); });
}

void PluginProxy::destroy() {
  PERCH_ASSERT(state_ == State::created || state_ == State::stopped,
               "a plugin is destroyed in the wrong state");
  state_ = State::none;
  // destroy says nothing; what it lets out is no reason to stop.
  static_cast<void>(call("destroy", [&](perch_error*) {
    api_->destroy(instance_);
    return PERCH_OK;
  }));
  instance_ = nullptr;
}

}  // namespace perch::instances
