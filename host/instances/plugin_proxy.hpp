// PluginProxy: the only place that calls a plugin's functions. It checks the interface's contract (thread,
// state, results) and turns what a plugin does wrong into errors.
#pragma once

#include <string>
#include <string_view>
#include <thread>

#include "base/result.hpp"
#include "instances/live_stats.hpp"
#include "perch/plugin.h"

namespace perch::instances {

/// [reader thread] all of it. create → restore? → start → on_commit… → save… → stop → destroy; a call in the
/// wrong state is a bug of the host and asserted.
///
/// Errors carry the plugin's message, copied. Kind usage: PERCH_BAD_CONFIG; failed: anything else.
class PluginProxy {
 public:
  static constexpr std::size_t state_bytes_max = std::size_t{1} << 30;

  /// `api` and `note`, where given, live until destroy has returned; the latter says which function runs.
  explicit PluginProxy(const perch_plugin_api& api, CallbackNote* note = nullptr) noexcept;
  PluginProxy(const PluginProxy&) = delete;  // a plugin may have kept the sink's address
  PluginProxy& operator=(const PluginProxy&) = delete;

  Result<void> create(const perch_host* host, std::string_view config);
  Result<void> restore(std::uint32_t state_version, std::string_view state);
  Result<void> start();
  Result<void> on_commit(const perch_snapshot* previous, const perch_snapshot* current);
  Result<std::string> save();
  Result<void> stop();
  void destroy();

  bool is_created() const noexcept { return state_ != State::none; }
  bool is_active() const noexcept { return state_ == State::active; }

 private:
  enum class State { none, created, active, stopped };

  template <class Function>
  Result<void> call(const char* function_name, Function&& function);
  void expect(State state) const;
  static perch_result write(void* context, const void* bytes, std::size_t size) noexcept;
  perch_result append(const void* bytes, std::size_t size);

  const perch_plugin_api* api_;
  CallbackNote* note_;
  void* instance_ = nullptr;
  State state_ = State::none;
  std::thread::id thread_;  // constant from create on

  // Of the reader's thread: what save writes, and why no more of it is taken. The sink outlives save, so that
  // a late call of it can be refused.
  perch_state_sink sink_{};
  bool is_saving_ = false;
  std::string saved_;
  std::string refusal_;
};

}  // namespace perch::instances
