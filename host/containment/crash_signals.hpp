// Crash signals: what happens when code in this process faults.
//
// On a reader's own thread, with the program counter in the plugin's own code, the thread is parked for ever
// and the host goes on (InstanceGuard::park). That code is inside no function of the host then, since those
// never call back into a plugin, and inside none of the C library's, so it holds no lock of theirs. In any
// other case the host says whose code it was, and dies of the signal as it would have without all this.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "containment/instance_guard.hpp"

namespace perch::containment {

/// Takes SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP and SIGSYS, wherever they are not taken already;
/// what was there before is called when the host dies. Any thread.
void install_crash_signals();

/// Where a dying host writes down whose code it was, see BlamedReaders. Before any plugin runs; empty:
/// nowhere.
void set_blame_file(const std::string& path);

/// Whether it is one of the signals that the host needs to keep as they are. Async-signal-safe.
bool is_host_signal(int signal) noexcept;

/// What plugins did to the dispositions of the host's signals is undone. The names of those signals, in
/// words; "": none. Not for those that tests or a debugger took before install_crash_signals.
std::string restore_host_signals();

/// Lets the handlers run on a stack of their own for as long as this lives: an overflown one has no room for
/// them. For the thread that makes it.
class AlternateStack {
 public:
  AlternateStack();
  ~AlternateStack();
  AlternateStack(const AlternateStack&) = delete;
  AlternateStack& operator=(const AlternateStack&) = delete;

 private:
  std::unique_ptr<std::byte[]> memory_;
};

/// Has crashes in this code named, whichever thread they happen on; at most 1024 libraries at a time. Any
/// thread.
void name_code(const std::vector<CodeRange>& code, const std::string& plugin);
void forget_code(const std::vector<CodeRange>& code);

/// While this lives, a crash of this thread is known to be in the constructors or destructors of `library`,
/// which outlives it.
class LoadingScope {
 public:
  explicit LoadingScope(const std::string& library) noexcept { this_plugin_thread.loading = library.c_str(); }
  ~LoadingScope() { this_plugin_thread.loading = nullptr; }
  LoadingScope(const LoadingScope&) = delete;
  LoadingScope& operator=(const LoadingScope&) = delete;
};

}  // namespace perch::containment
