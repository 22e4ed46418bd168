#include "containment/instance_guard.hpp"

#include <string.h>
#include <unistd.h>

#include <algorithm>

#include "containment/stack_text.hpp"

namespace perch::containment {

constinit thread_local PluginThread this_plugin_thread{};

InstanceGuard::InstanceGuard(std::string reader, std::string plugin, std::vector<CodeRange> code,
                             std::shared_ptr<PluginThreads> threads, std::function<void()> on_crash)
    : reader_(std::move(reader)),
      plugin_(std::move(plugin)),
      code_(std::move(code)),
      on_crash_(std::move(on_crash)),
      breaches_(reader_),
      threads_(std::move(threads)) {}

bool InstanceGuard::is_code(std::uintptr_t address) const noexcept {
  return std::any_of(code_.begin(), code_.end(), [address](const CodeRange& range) {
    return address >= range.begin && address < range.end;
  });
}

void InstanceGuard::park(const Crash& crash) noexcept {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
  // Relaxed: it only chooses the one who writes; the readers of crash_ go by crashed_.
  if (!parking_.exchange(true, std::memory_order_relaxed)) {
    crash_ = crash;
    // release, with has_crashed's acquire: crash_ is whole, and so is all that the thread did before; the
    // manager goes on with what it left, such as its pins.
    crashed_.store(true, std::memory_order_release);
    on_crash_();
  }
  for (;;) pause();
}

bool InstanceGuard::has_crashed() const noexcept { return crashed_.load(std::memory_order_acquire); }

bool InstanceGuard::is_readers_thread_parked() const noexcept {
  return has_crashed() && crash_.on_readers_thread;
}

namespace {

std::string hex(std::uintptr_t number) {
  char text[24];
  std::snprintf(text, sizeof text, "0x%zx", static_cast<std::size_t>(number));
  return text;
}

/// "SIGSEGV: address 0x10 is not mapped"
std::string signal_text(const Crash& crash) {
  const char* const name = sigabbrev_np(crash.signal);
  std::string text = name != nullptr ? std::string("SIG") + name : "signal " + std::to_string(crash.signal);
  constexpr std::uintptr_t near_stack = 65536;
  const bool is_access = crash.signal == SIGSEGV || crash.signal == SIGBUS;
  if (is_access && crash.address + near_stack > crash.stack && crash.address < crash.stack + near_stack)
    return text + ": the stack overflowed";
  if (crash.signal == SIGFPE && crash.code == FPE_INTDIV) return text + ": integer division by zero";
  if (crash.signal == SIGSEGV && crash.code == SEGV_MAPERR)
    return text + ": address " + hex(crash.address) + " is not mapped";
  if (crash.signal == SIGSEGV && crash.code == SEGV_ACCERR)
    return text + ": address " + hex(crash.address) + " must not be accessed so (tables are read-only)";
  return text;
}

}  // namespace

Error InstanceGuard::crash_error() const {
  const std::string where = std::string(" in ") + (crash_.callback != nullptr ? crash_.callback : "its code");
  Error error{
      ErrorKind::crashed,
      (crash_.what != nullptr ? crash_.what + where : "crashed" + where + ": " + signal_text(crash_)) +
          "; its thread is parked for good",
      {}};
  constexpr int lines_max = 12;
  for (const std::string& line : plugin_frames(crash_.frames.data(), crash_.frame_count, lines_max))
    error.details.push_back("at " + line);
  return error;
}

}  // namespace perch::containment
