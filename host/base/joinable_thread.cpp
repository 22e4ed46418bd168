#include "base/joinable_thread.hpp"

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <ctime>
#include <memory>
#include <mutex>
#include <utility>

#include "base/assert.hpp"

namespace perch {
namespace {

constexpr std::size_t name_bytes_max = 15;

/// Of the calling thread: another one's takes a file of /proc, which a sandbox may refuse.
void set_own_name(const std::string& name) {
  pthread_setname_np(pthread_self(), name.substr(0, name_bytes_max).c_str());
}

struct ThreadStart {
  std::string name;
  std::function<void()> body;
};

void* run_thread(void* raw) {
  const std::unique_ptr<ThreadStart> start(static_cast<ThreadStart*>(raw));
  set_own_name(start->name);
  start->body();
  return nullptr;
}

/// 0, or why it has not been joined (an errno).
int join_until(pthread_t thread, std::chrono::nanoseconds wait) {
  timespec until{};
#ifdef __SANITIZE_THREAD__  // knows no pthread_clockjoin_np: it would take the thread for one that nobody
                            // joins
  constexpr auto join = [](pthread_t joined, const timespec* end) {
    return pthread_timedjoin_np(joined, nullptr, end);
  };
  clock_gettime(CLOCK_REALTIME, &until);
#else
  constexpr auto join = [](pthread_t joined, const timespec* end) {
    return pthread_clockjoin_np(joined, nullptr, CLOCK_MONOTONIC, end);
  };
  clock_gettime(CLOCK_MONOTONIC, &until);
#endif
  const std::int64_t end_ns = until.tv_nsec + std::max<std::int64_t>(wait.count(), 0);
  until.tv_sec += end_ns / 1'000'000'000;
  until.tv_nsec = end_ns % 1'000'000'000;
  return join(thread, &until);
}

}  // namespace

tl::unexpected<Error> fail_no_thread(const std::string& name, int error) {
  return fail(ErrorKind::exhausted, "no thread " + name + ": " + std::strerror(error) +
                                        "; raise the limit of tasks (ulimit -u, systemd's TasksMax)");
}

JoinableThread::~JoinableThread() { PERCH_ASSERT(!running_, "a thread that nobody waited for"); }

Result<void> JoinableThread::start(const std::string& name, std::function<void()> body) {
  PERCH_ASSERT(!running_, "a thread is started once");
  auto start = std::make_unique<ThreadStart>(ThreadStart{name, std::move(body)});
  if (const int error = pthread_create(&thread_, nullptr, run_thread, start.get()); error != 0) {
    return fail_no_thread(name, error);
  }
  static_cast<void>(start.release());  // the thread's now
  running_ = true;
  return {};
}

void JoinableThread::join() {
  if (std::exchange(running_, false)) pthread_join(thread_, nullptr);
}

bool JoinableThread::join_within(std::chrono::nanoseconds wait) {
  if (!running_) return true;
  if (join_until(thread_, wait) != 0) return false;
  running_ = false;
  return true;
}

void JoinableThread::detach() {
  if (std::exchange(running_, false)) pthread_detach(thread_);
}

// ---- ThreadSupply

struct ThreadSupply::Spare {
  std::mutex mutex;  // guards what follows
  std::condition_variable came;
  bool is_called = false;
  std::string name;
  std::function<void()> body;  // empty: there is nothing for it to do

  void wait_and_run() {
    std::function<void()> work;
    std::string work_name;
    {
      std::unique_lock lock(mutex);
      came.wait(lock, [this] { return is_called; });
      work = std::move(body);
      work_name = std::move(name);
    }
    if (!work) return;
    set_own_name(work_name);
    work();
  }
};

ThreadSupply::~ThreadSupply() {
  if (!spare_) return;
  give({}, {});
  thread_.join();
}

void ThreadSupply::make_ready() {
  if (spare_) return;
  auto spare = std::make_shared<Spare>();
  if (thread_.start("reader:spare", [spare] { spare->wait_and_run(); })) spare_ = std::move(spare);
}

void ThreadSupply::give(const std::string& name, std::function<void()> body) {
  const std::shared_ptr<Spare> spare = std::exchange(spare_, nullptr);
  const std::lock_guard lock(spare->mutex);
  spare->name = name;
  spare->body = std::move(body);
  spare->is_called = true;
  spare->came.notify_one();
}

Result<void> ThreadSupply::start(JoinableThread& thread, const std::string& name,
                                 std::function<void()> body) {
  if (!spare_) return thread.start(name, std::move(body));
  PERCH_ASSERT(!thread.running_, "a thread is started once");
  thread.thread_ = thread_.thread_;
  thread.running_ = std::exchange(thread_.running_, false);
  give(name, std::move(body));
  make_ready();  // while that one begins, nobody waits for this
  return {};
}

}  // namespace perch
