// Mailbox: how other threads reach the server's thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/unique_fd.hpp"

namespace perch::control {

/// The answer to one request: the result's JSON text, or why there is none.
struct Answer {
  std::uint64_t connection = 0;
  std::uint64_t ticket = 0;  ///< the request's, unique within the server
  Result<std::string> result;
};

/// Thread safety: post and wake from any thread, the rest from the server's. Bounded by the requests under
/// way. Shared with those who will answer, so that an answer that comes after the server has ended is
/// harmless.
class Mailbox {
 public:
  static Result<std::shared_ptr<Mailbox>> make();

  void post(Answer answer);
  /// Makes the descriptor readable. Cheap when it is already.
  void wake();

  int fd() const noexcept { return event_.get(); }
  /// Makes the descriptor unreadable again; call before looking for what it announced.
  void clear();
  std::vector<Answer> take_all();

 private:
  explicit Mailbox(UniqueFd event) : event_(std::move(event)) {}

  const UniqueFd event_;  // an eventfd
  std::atomic<bool> signalled_{false};
  std::mutex mutex_;
  std::vector<Answer> answers_;
};

/// Answers one request, once; any thread, also after the connection or the server is gone.
class Responder {
 public:
  Responder(std::shared_ptr<Mailbox> mailbox, std::uint64_t connection, std::uint64_t ticket)
      : mailbox_(std::move(mailbox)), connection_(connection), ticket_(ticket) {}
  void operator()(Result<std::string> result) const {
    mailbox_->post({connection_, ticket_, std::move(result)});
  }

 private:
  std::shared_ptr<Mailbox> mailbox_;
  std::uint64_t connection_;
  std::uint64_t ticket_;
};

}  // namespace perch::control
