#include "containment/stack_sampler.hpp"

#include <execinfo.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <ctime>
#include <mutex>

#include "containment/stack_text.hpp"

namespace perch::containment {
namespace {

constexpr int frames_max = 64;
constexpr std::chrono::nanoseconds answer_max = std::chrono::milliseconds(200);

int sampling_signal() noexcept { return SIGRTMIN + 7; }

struct Sample {
  // Whose stack is wanted, 0: nobody's. release and acquire: who sees itself wanted may write what follows;
  // it is taken back by the same compare-exchange on both sides, so that a late answer touches nothing.
  std::atomic<pid_t> wanted{0};
  std::array<void*, frames_max> frames{};
  std::atomic<int> count{0};  // release and acquire: of the frames
  sem_t done{};
};
Sample sample;

void on_sampling_signal(int, siginfo_t*, void* raw_context) {
  const int saved_errno = errno;
  pid_t self = ::gettid();
  if (sample.wanted.compare_exchange_strong(self, -1, std::memory_order_acquire)) {
    std::array<void*, frames_max> all{};
    const int count = backtrace(all.data(), frames_max);
    void* const pc =
        reinterpret_cast<void*>(static_cast<const ucontext_t*>(raw_context)->uc_mcontext.gregs[REG_RIP]);
    const auto begin = std::find(all.begin(), all.begin() + count, pc);  // behind the handler's own frames
    std::copy(begin, all.begin() + count, sample.frames.begin());
    sample.count.store(static_cast<int>(all.begin() + count - begin), std::memory_order_release);
    sem_post(&sample.done);
  }
  errno = saved_errno;
}

void install() {
  std::array<void*, 2> warm_up{};
  backtrace(warm_up.data(), static_cast<int>(warm_up.size()));
  sem_init(&sample.done, 0, 0);
  struct sigaction action {};
  action.sa_sigaction = on_sampling_signal;
  action.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK;
  sigemptyset(&action.sa_mask);
  sigaction(sampling_signal(), &action, nullptr);
}

bool wait_for_answer() {
  const auto until_ns = (std::chrono::steady_clock::now().time_since_epoch() + answer_max).count();
  const timespec until{until_ns / 1'000'000'000, until_ns % 1'000'000'000};
  while (sem_clockwait(&sample.done, CLOCK_MONOTONIC, &until) != 0) {
    if (errno != EINTR) return false;
  }
  return true;
}

}  // namespace

std::vector<std::string> sample_stack(pid_t thread) {
  static std::mutex one_at_a_time;
  static std::once_flag once;
  std::call_once(once, install);
  const std::lock_guard lock(one_at_a_time);
  sample.wanted.store(thread, std::memory_order_release);
  if (::syscall(SYS_tgkill, ::getpid(), thread, sampling_signal()) != 0) return {};
  if (!wait_for_answer()) {
    pid_t expected = thread;
    if (sample.wanted.compare_exchange_strong(expected, 0, std::memory_order_relaxed)) return {};
    // It has begun just now; backtrace is bounded.
    while (sem_wait(&sample.done) != 0) {
    }
  }
  constexpr int lines_max = 24;
  return plugin_frames(sample.frames.data(), sample.count.load(std::memory_order_acquire), lines_max);
}

}  // namespace perch::containment
