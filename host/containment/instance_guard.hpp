// InstanceGuard: what must be known of an instance where its code may have gone wrong: in signal handlers, in
// the C library's functions that plugins call, on threads that it made itself.
#pragma once

#include <signal.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "reading/rule_breaches.hpp"

namespace perch::containment {

struct CodeRange {
  std::uintptr_t begin, end;
};

/// What a thread of a plugin ended with. Filled by that thread, where it then stays.
struct Crash {
  static constexpr int frames_max = 48;

  int signal = 0;                  ///< 0: no signal, see `what`
  int code = 0;                    ///< si_code
  std::uintptr_t address = 0;      ///< that could not be accessed
  std::uintptr_t stack = 0;        ///< the stack pointer
  const char* what = nullptr;      ///< a literal, such as "called exit"; null: a signal
  const char* callback = nullptr;  ///< a literal, such as "on_commit"
  bool on_readers_thread = true;
  std::array<void*, frames_max> frames{};  ///< innermost first
  int frame_count = 0;
};

/// How many threads that a loaded plugin made have not ended. Relaxed: the number itself is all that is
/// asked; it is not proof of anything that they wrote.
class PluginThreads {
 public:
  void begin() noexcept { count_.fetch_add(1, std::memory_order_relaxed); }
  void end() noexcept { count_.fetch_sub(1, std::memory_order_relaxed); }
  int count() const noexcept { return count_.load(std::memory_order_relaxed); }

 private:
  std::atomic<int> count_{0};
};

/// Shared by the instance and the threads that its plugin made, which may live longer.
///
/// Thread safety: everything from any thread. What is marked [signal] is async-signal-safe.
///
/// Invariants
///   1. The first thread to park writes crash_, then sets crashed_; nothing writes crash_ after that.
///   2. A thread that was parked never runs again, and holds no lock of the host's or the C library's: it was
///      in the plugin's own code, or at the beginning of a call.
class InstanceGuard : public std::enable_shared_from_this<InstanceGuard> {
 public:
  /// `plugin`: "vwap 1.0.0, generation 3". `on_crash`: called on the parked thread, in a signal handler.
  InstanceGuard(std::string reader, std::string plugin, std::vector<CodeRange> code,
                std::shared_ptr<PluginThreads> threads, std::function<void()> on_crash);

  const char* reader() const noexcept { return reader_.c_str(); }  // [signal]
  const char* plugin() const noexcept { return plugin_.c_str(); }  // [signal]
  /// Whether the address lies in the plugin's own code. [signal]
  bool is_code(std::uintptr_t address) const noexcept;

  /// Stops the calling thread for ever and has the reader given up. [signal]
  [[noreturn]] void park(const Crash& crash) noexcept;
  bool has_crashed() const noexcept;
  /// Whether the instance's own thread is the one that is parked.
  bool is_readers_thread_parked() const noexcept;
  /// In words, with the stack. Only once has_crashed.
  Error crash_error() const;

  const reading::RuleBreaches& breaches() const noexcept { return breaches_; }

  PluginThreads& threads() const noexcept { return *threads_; }

 private:
  const std::string reader_;
  const std::string plugin_;
  const std::vector<CodeRange> code_;
  const std::function<void()> on_crash_;
  const reading::RuleBreaches breaches_;
  const std::shared_ptr<PluginThreads> threads_;

  std::atomic<bool> parking_{false};  // somebody writes crash_, or has
  std::atomic<bool> crashed_{false};  // crash_ is whole
  Crash crash_;
};

/// What the calling thread does for a plugin. Without constructor and destructor: those of thread-locals
/// crash once their library is gone, and signal handlers read this.
struct PluginThread {
  InstanceGuard* guard;  ///< null: the host's own business
  const char* callback;  ///< a literal: what of the plugin runs; null: nothing
  bool is_readers;       ///< the instance's own thread, not one that the plugin made
  bool is_forked_child;  ///< this is a copy of the process that the plugin made with fork(2)
  bool has_forked;       ///< since the last look
  const char* loading;   ///< on the manager's thread: the library whose constructors or destructors run
};
extern constinit thread_local PluginThread this_plugin_thread;

/// Whether the code that runs now is a plugin's, or called by it.
inline bool in_plugin() noexcept {
  return this_plugin_thread.guard != nullptr && this_plugin_thread.callback != nullptr;
}

}  // namespace perch::containment
