#include "base/joinable_thread.hpp"

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <ctime>
#include <memory>
#include <mutex>
#include <utility>

#include "base/assert.hpp"
#include "base/units.hpp"

namespace perch {

JoinableThread::~JoinableThread() { PERCH_ASSERT(!running_, "a thread that nobody waited for"); }

Result<void> JoinableThread::start(const std::string& name, std::function<void()> body) {
  PERCH_ASSERT(!running_, "a thread is started once");
  auto passed = std::make_unique<std::function<void()>>(std::move(body));
  const int error = pthread_create(
      &thread_, nullptr,
      [](void* context) -> void* {
        const std::unique_ptr<std::function<void()>> run(static_cast<std::function<void()>*>(context));
        (*run)();
        return nullptr;
      },
      passed.get());
  if (error != 0) {
    errno = error;
    return fail_errno("start a thread");
  }
  static_cast<void>(passed.release());  // the thread's now
  running_ = true;
  pthread_setname_np(thread_, name.substr(0, 15).c_str());
  return {};
}

bool JoinableThread::join_within(std::chrono::nanoseconds wait) {
  if (!running_) return true;
  const std::int64_t until_ns = unix_now_ns() + std::max<std::int64_t>(wait.count(), 0);
  const timespec until{until_ns / 1'000'000'000, until_ns % 1'000'000'000};
  if (pthread_timedjoin_np(thread_, nullptr, &until) != 0) return false;
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
  std::function<void()> body;

  void wait_and_run() {
    std::function<void()> work;
    {
      std::unique_lock lock(mutex);
      came.wait(lock, [this] { return is_called; });
      work = std::move(body);
    }
    if (work) work();
  }
};

ThreadSupply::~ThreadSupply() {
  if (!spare_) return;
  give({});
  // It has nothing to do but to end.
  while (!thread_.join_within(std::chrono::seconds(1))) continue;
}

void ThreadSupply::make_ready() {
  if (spare_) return;
  auto spare = std::make_shared<Spare>();
  if (thread_.start("reader:spare", [spare] { spare->wait_and_run(); })) spare_ = std::move(spare);
}

void ThreadSupply::give(std::function<void()> body) {
  const std::shared_ptr<Spare> spare = std::exchange(spare_, nullptr);
  const std::lock_guard lock(spare->mutex);
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
  pthread_setname_np(thread.thread_, name.substr(0, 15).c_str());
  give(std::move(body));
  make_ready();  // while that one begins, nobody waits for this
  return {};
}

}  // namespace perch
