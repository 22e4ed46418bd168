#include "readers/joinable_thread.hpp"

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <memory>
#include <utility>

#include "base/assert.hpp"
#include "base/units.hpp"

namespace perch::readers {

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

}  // namespace perch::readers
