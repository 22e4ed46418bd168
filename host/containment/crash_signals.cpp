#include "containment/crash_signals.hpp"

#include <execinfo.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <mutex>

#include "containment/stack_text.hpp"

namespace perch::containment {
namespace {

constexpr std::array crash_signals{SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS};
constexpr std::array other_host_signals{SIGINT, SIGTERM, SIGPIPE, SIGALRM, SIGCHLD};
constexpr unsigned death_seconds_max = 10;
constexpr std::size_t alternate_stack_bytes = 64 * 1024;

// Written before the handler that reads it is installed.
std::array<struct sigaction, NSIG> previous{};

// ---- Whose code an address is. Slots are never freed, so that a handler may look at any time.

struct NamedCode {
  static constexpr std::size_t name_bytes = 160;
  // release and acquire: who sees the end sees the begin and the name that were stored before it.
  std::atomic<std::uintptr_t> end{0};  // 0: a free slot
  std::atomic<std::uintptr_t> begin{0};
  std::array<char, name_bytes> name{};
};
std::array<NamedCode, 1024> named_code;
std::mutex named_code_mutex;  // for those who write

const char* find_name(std::uintptr_t address) noexcept {
  for (const NamedCode& slot : named_code) {
    const std::uintptr_t end = slot.end.load(std::memory_order_acquire);
    if (address < end && address >= slot.begin.load(std::memory_order_relaxed)) return slot.name.data();
  }
  return nullptr;
}

// ---- Words without the heap

class SignalText {
 public:
  SignalText& operator<<(const char* text) noexcept {
    while (*text != '\0' && size_ < text_.size()) text_[size_++] = *text++;
    return *this;
  }
  SignalText& operator<<(long number) noexcept {
    std::array<char, 24> digits{};
    std::size_t at = digits.size() - 1;
    const bool negative = number < 0;
    auto rest = negative ? 0 - static_cast<unsigned long>(number) : static_cast<unsigned long>(number);
    do digits[--at] = static_cast<char>('0' + rest % 10);
    while ((rest /= 10) != 0);
    if (negative) digits[--at] = '-';
    return *this << &digits[at];
  }
  SignalText& place(const void* address) noexcept {
    std::array<char, 300> text{};
    write_place(address, text.data(), text.size());
    return *this << text.data();
  }
  void write_out(int fd) const noexcept {
    [[maybe_unused]] const ssize_t written = ::write(fd, text_.data(), size_);
  }

 private:
  std::array<char, 8192> text_{};
  std::size_t size_ = 0;
};

// ---- Who is to blame, for the next host

std::array<char, 4096> blame_file{};  // constant once plugins run

void write_blame(int signal) noexcept {
  const PluginThread& thread = this_plugin_thread;
  if (blame_file[0] == '\0' || thread.is_forked_child) return;
  if (thread.guard == nullptr && thread.loading == nullptr) return;
  const char* const name = sigabbrev_np(signal);
  SignalText line;
  if (thread.loading != nullptr) {  // "vwap 1.0.0, generation 3": its id
    const char* const end = strchr(thread.loading, ' ');
    std::array<char, 80> id{};
    const auto size = end != nullptr ? static_cast<std::size_t>(end - thread.loading) : 0;
    std::copy_n(thread.loading, std::min(size, id.size() - 1), id.begin());
    line << id.data() << "\tSIG" << (name != nullptr ? name : "?") << " while " << thread.loading
         << " was loaded or unloaded\n";
  } else {
    line << thread.guard->reader() << "\tSIG" << (name != nullptr ? name : "?") << " in "
         << (thread.callback != nullptr ? thread.callback : "its code") << ", plugin "
         << thread.guard->plugin() << "\n";
  }
  const int fd = ::open(blame_file.data(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd >= 0) line.write_out(fd);  // closed by the end that is near
}

// ---- The handler

void* program_counter(const ucontext_t& context) noexcept {
  return reinterpret_cast<void*>(context.uc_mcontext.gregs[REG_RIP]);
}

/// From where the signal came in, without the handler's own frames.
int frames_from(const ucontext_t& context, void** frames, int frames_max) noexcept {
  constexpr int of_handler = 8;
  std::array<void*, Crash::frames_max + of_handler> all{};
  const int count = backtrace(all.data(), static_cast<int>(all.size()));
  const auto begin = all.begin();
  const auto end = begin + count;
  const auto at = std::find(begin, end, program_counter(context));
  if (at == end) {  // no unwinding through here: at least where it was
    frames[0] = program_counter(context);
    return 1;
  }
  const auto kept = std::min<std::ptrdiff_t>(end - at, frames_max);
  std::copy(at, at + kept, frames);
  return static_cast<int>(kept);
}

void park_if_possible(int signal, const siginfo_t& info, const ucontext_t& context) noexcept {
  const PluginThread& thread = this_plugin_thread;
  if (!in_plugin() || !thread.is_readers || thread.is_forked_child) return;
  const bool is_fault = info.si_code > 0;  // the kernel's own, not sent by somebody
  void* const pc = program_counter(context);
  if (!is_fault || signal == SIGABRT || !thread.guard->is_code(reinterpret_cast<std::uintptr_t>(pc))) return;
  Crash crash;
  crash.signal = signal;
  crash.code = info.si_code;
  crash.address = reinterpret_cast<std::uintptr_t>(info.si_addr);
  crash.stack = static_cast<std::uintptr_t>(context.uc_mcontext.gregs[REG_RSP]);
  crash.callback = thread.callback;
  crash.frame_count = frames_from(context, crash.frames.data(), Crash::frames_max);
  thread.guard->park(crash);
}

/// What is known of whose fault it is.
void name_culprit(SignalText& text, void* pc, void* const* frames, int frame_count) noexcept {
  const PluginThread& thread = this_plugin_thread;
  if (thread.loading != nullptr) {
    text << "in code that runs as " << thread.loading << " is loaded or unloaded";
  } else if (thread.guard != nullptr) {
    text << "on " << (thread.is_readers ? "the thread" : "a thread of its own") << " of reader "
         << thread.guard->reader() << ", plugin " << thread.guard->plugin() << ", in "
         << (thread.callback != nullptr ? thread.callback : "no callback");
  } else {
    const char* name = find_name(reinterpret_cast<std::uintptr_t>(pc));
    for (int i = 0; name == nullptr && i < frame_count; ++i)
      name = find_name(reinterpret_cast<std::uintptr_t>(frames[i]));
    if (name != nullptr) {
      text << "on a thread that the host did not start, in code of plugin " << name;
    } else {
      text << "in the host's own code, as far as can be told";
    }
  }
}

void say_last_words(int signal, const siginfo_t& info, const ucontext_t& context) noexcept {
  std::array<void*, Crash::frames_max> frames{};
  const int frame_count = frames_from(context, frames.data(), Crash::frames_max);
  const char* const name = sigabbrev_np(signal);
  SignalText text;
  text << "\nperchd: SIG" << (name != nullptr ? name : "?") << " (code " << long{info.si_code} << ") ";
  name_culprit(text, program_counter(context), frames.data(), frame_count);
  text
      << "\nperchd: this cannot be survived: it was in no code that could be left standing. The host ends.\n";
  constexpr int shown_max = 24;
  for (int i = 0; i < std::min(frame_count, shown_max); ++i)
    (text << "  at ").place(frames[static_cast<std::size_t>(i)]) << "\n";
  text << "perchd: a reader named above does not start by itself again until its file changes or `perch "
          "enable` is "
          "called; `perch check FILE.so` tries it outside of the host\n";
  text.write_out(STDERR_FILENO);
  write_blame(signal);
}

void on_crash_signal(int signal, siginfo_t* info, void* raw_context) {
  const int saved_errno = errno;
  const auto& context = *static_cast<const ucontext_t*>(raw_context);
  park_if_possible(signal, *info, context);
  static std::atomic_flag somebody_speaks;  // no order needed: it only lets one in
  if (!somebody_speaks.test_and_set(std::memory_order_relaxed)) {
    ::alarm(death_seconds_max);  // should the following hang: the end all the same
    say_last_words(signal, *info, context);
  }
  this_plugin_thread = {};  // what follows is the host's doing, on whichever thread
  const auto& before = previous[static_cast<std::size_t>(signal)];
  sigaction(signal, &before, nullptr);
  errno = saved_errno;
  // A fault comes again when this returns; what was sent has to be sent again.
  if (info->si_code <= 0) ::syscall(SYS_tgkill, ::getpid(), ::gettid(), signal);
}

bool is_ours(int signal) {
  struct sigaction now {};
  return sigaction(signal, nullptr, &now) == 0 && (now.sa_flags & SA_SIGINFO) != 0 &&
         now.sa_sigaction == on_crash_signal;
}

struct Dispositions {
  std::mutex mutex;
  bool known = false;
  std::array<struct sigaction, NSIG> host{};  // as they are to be
};
Dispositions& dispositions() {
  static auto& all = *new Dispositions;
  return all;
}

bool is_same(const struct sigaction& left, const struct sigaction& right) {
  // Either member of the union: the other one is at the same place.
  return left.sa_handler == right.sa_handler &&
         ((left.sa_flags ^ right.sa_flags) & (SA_SIGINFO | SA_ONSTACK)) == 0;
}

}  // namespace

void set_blame_file(const std::string& path) {
  const std::size_t size = path.size() < blame_file.size() ? path.size() : 0;
  std::copy_n(path.begin(), size, blame_file.begin());
  blame_file[size] = '\0';
}

bool is_host_signal(int signal) noexcept {
  return std::find(crash_signals.begin(), crash_signals.end(), signal) != crash_signals.end() ||
         std::find(other_host_signals.begin(), other_host_signals.end(), signal) != other_host_signals.end();
}

void install_crash_signals() {
  std::array<void*, 2> warm_up{};
  backtrace(warm_up.data(), static_cast<int>(warm_up.size()));  // loads what it needs now, not in a handler
  struct sigaction action {};
  action.sa_sigaction = on_crash_signal;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigemptyset(&action.sa_mask);
  Dispositions& all = dispositions();
  const std::lock_guard lock(all.mutex);
  for (const int signal : crash_signals) {
    const auto index = static_cast<std::size_t>(signal);
    if (is_ours(signal)) continue;
    sigaction(signal, nullptr, &previous[index]);
    sigaction(signal, &action, nullptr);
  }
  for (const int signal : crash_signals)
    sigaction(signal, nullptr, &all.host[static_cast<std::size_t>(signal)]);
  for (const int signal : other_host_signals)
    sigaction(signal, nullptr, &all.host[static_cast<std::size_t>(signal)]);
  all.known = true;
}

std::string restore_host_signals() {
  Dispositions& all = dispositions();
  const std::lock_guard lock(all.mutex);
  std::string changed;
  const auto look_at = [&](int signal) {
    const auto& wanted = all.host[static_cast<std::size_t>(signal)];
    struct sigaction now {};
    if (!all.known || sigaction(signal, nullptr, &now) != 0 || is_same(now, wanted)) return;
    sigaction(signal, &wanted, nullptr);
    const char* const name = sigabbrev_np(signal);
    changed += (changed.empty() ? "SIG" : ", SIG") + std::string(name != nullptr ? name : "?");
  };
  for (const int signal : crash_signals) look_at(signal);
  look_at(SIGPIPE);
  return changed;
}

AlternateStack::AlternateStack() : memory_(std::make_unique<std::byte[]>(alternate_stack_bytes)) {
  stack_t stack{};
  stack.ss_sp = memory_.get();
  stack.ss_size = alternate_stack_bytes;
  sigaltstack(&stack, nullptr);
}

AlternateStack::~AlternateStack() {
  stack_t none{};
  none.ss_flags = SS_DISABLE;
  sigaltstack(&none, nullptr);
}

void name_code(const std::vector<CodeRange>& code, const std::string& plugin) {
  const std::lock_guard lock(named_code_mutex);
  for (const CodeRange& range : code) {
    const auto slot = std::find_if(named_code.begin(), named_code.end(), [](const NamedCode& each) {
      return each.end.load(std::memory_order_relaxed) == 0;
    });
    if (slot == named_code.end()) return;
    const std::size_t size = std::min(plugin.size(), NamedCode::name_bytes - 1);
    std::copy_n(plugin.begin(), size, slot->name.begin());
    slot->name[size] = '\0';
    slot->begin.store(range.begin, std::memory_order_relaxed);
    slot->end.store(range.end, std::memory_order_release);
  }
}

void forget_code(const std::vector<CodeRange>& code) {
  const std::lock_guard lock(named_code_mutex);
  for (NamedCode& slot : named_code) {
    const bool is_of_it = std::any_of(code.begin(), code.end(), [&](const CodeRange& range) {
      return slot.end.load(std::memory_order_relaxed) == range.end;
    });
    if (is_of_it) slot.end.store(0, std::memory_order_relaxed);
  }
}

}  // namespace perch::containment
