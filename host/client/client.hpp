// Client: one connection to a host's control socket.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/unique_fd.hpp"
#include "client/outcome.hpp"

namespace perch::client {

using Deadline = std::chrono::steady_clock::time_point;

/// Not thread safe.
class Client {
 public:
  /// Connects and reads the greeting. No host there: exit_no_host, with what to do about it.
  static Outcome<Client> connect(const std::string& socket, Deadline deadline);

  /// The result of a method. Refusals come back as failures with the exit code of their kind. Notifications
  /// that come before it go to `on_notification`, else they wait for next_notification.
  Outcome<Json> call(const std::string& method, const Json& params, Deadline deadline,
                     const std::function<void(const Json&)>& on_notification = {});

  /// The next notification; none when `interrupt_fd` (−1: none) became readable. exit_no_host when the host
  /// ends the connection.
  Outcome<std::optional<Json>> next_notification(Deadline deadline, int interrupt_fd);

  /// The descriptors that have come with what was read so far.
  std::vector<UniqueFd> take_descriptors() { return std::exchange(descriptors_, {}); }

 private:
  Client(UniqueFd fd, std::string socket) : fd_(std::move(fd)), socket_(std::move(socket)) {}
  Outcome<std::optional<std::string>> read_line(Deadline deadline, int interrupt_fd);
  Outcome<std::optional<Json>> read_message(Deadline deadline, int interrupt_fd);
  Outcome<void> send_line(const std::string& line, Deadline deadline);

  UniqueFd fd_;
  std::string socket_;
  std::string received_;
  std::size_t scanned_ = 0;
  std::vector<UniqueFd> descriptors_;  // at most descriptors_max
  std::deque<Json> notifications_;     // that came while a reply was awaited
  int last_id_ = 0;
};

}  // namespace perch::client
