#include "readers/plugin_proxy.hpp"

#include <cxxabi.h>

#include <cstring>

#include "base/assert.hpp"
#include "readers/text.hpp"

namespace perch::readers {
namespace {

perch_result append_state(void* context, const void* bytes, std::size_t size) noexcept {
  auto& state = *static_cast<std::string*>(context);
  if (size > PluginProxy::state_bytes_max - state.size()) return PERCH_FAILED;
  try {
    state.append(static_cast<const char*>(bytes), size);
  } catch (...) {  // out of memory: no exception may cross the interface
    return PERCH_FAILED;
  }
  return PERCH_OK;
}

}  // namespace

/// Calls one of the plugin's functions with a fresh perch_error. The interface allows no exception; one that
/// comes anyway ends here, where it can still be destroyed by the library that threw it.
template <class Function>
Result<void> PluginProxy::call(const char* function_name, Function&& function) {
  PERCH_ASSERT(std::this_thread::get_id() == thread_, "a plugin is called on its own thread only");
  perch_error error{};
  perch_result result = PERCH_FAILED;
  try {
    result = function(&error);
  } catch (const abi::__forced_unwind&) {
    throw;  // pthread_exit or cancellation cannot be stopped
  } catch (...) {
    return fail(std::string(function_name) + ": let an exception out, which the interface forbids");
  }
  if (result == PERCH_OK) return {};
  const std::string text =
      clean_text({error.message, strnlen(error.message, sizeof error.message)}, sizeof error.message);
  return fail(result == PERCH_BAD_CONFIG ? ErrorKind::usage : ErrorKind::failed,
              std::string(function_name) + ": " + (text.empty() ? "failed without a message" : text));
}

void PluginProxy::expect(State state) const {
  PERCH_ASSERT(state_ == state, "a plugin is called in the wrong state");
}

Result<void> PluginProxy::create(const perch_host* host, std::string_view config) {
  expect(State::none);
  thread_ = std::this_thread::get_id();
  auto created = call("create", [&](perch_error* error) {
    return api_->create(host, {config.data(), config.size()}, &instance_, error);
  });
  if (created) state_ = State::created;
  return created;
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
  std::string state;
  const perch_state_sink sink{sizeof sink, 0, &state, append_state};
  const auto saved = call("save", [&](perch_error* error) { return api_->save(instance_, &sink, error); });
  if (!saved) return fail(saved.error());
  return state;
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

}  // namespace perch::readers
