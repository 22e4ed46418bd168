#include "control/mailbox.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <utility>

namespace perch::control {

Result<std::shared_ptr<Mailbox>> Mailbox::make() {
  UniqueFd event(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!event) return fail_errno("eventfd");
  return std::shared_ptr<Mailbox>(new Mailbox(std::move(event)));
}

void Mailbox::post(Answer answer) {
  {
    const std::lock_guard lock(mutex_);
    answers_.push_back(std::move(answer));
  }
  wake();
}

void Mailbox::wake() {
  // acq_rel: whoever finds `true` relies on the server's coming clear() to see what was queued before this
  // call: clear()'s exchange reads this one's value, or a later one of the same release sequence.
  if (signalled_.exchange(true, std::memory_order_acq_rel)) return;
  const std::uint64_t one = 1;
  // Cannot fail but for a full counter, and then the descriptor is readable anyway.
  [[maybe_unused]] const ssize_t written = ::write(event_.get(), &one, sizeof one);
}

void Mailbox::clear() {
  std::uint64_t count = 0;
  [[maybe_unused]] const ssize_t got = ::read(event_.get(), &count, sizeof count);
  // After the read, so that a wake between the two leaves the descriptor readable or is seen by the look that
  // follows; acq_rel: see wake().
  signalled_.exchange(false, std::memory_order_acq_rel);
}

std::vector<Answer> Mailbox::take_all() {
  const std::lock_guard lock(mutex_);
  return std::exchange(answers_, {});
}

}  // namespace perch::control
