#include "client/client.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <thread>

#include "base/descriptor_message.hpp"

namespace perch::client {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::size_t line_bytes_max = std::size_t{64} << 20;
constexpr std::size_t descriptors_max = 4;

tl::unexpected<Failure> no_host(const std::string& socket, const std::string& why) {
  return end_with(exit_no_host,
                  "no host answers at " + socket + ": " + why +
                      "; start one with perchd --config FILE, or name its socket with --socket");
}

tl::unexpected<Failure> ended(const std::string& socket) {
  return end_with(exit_no_host, "the host at " + socket + " ended the connection");
}

tl::unexpected<Failure> too_late() {
  return end_with(exit_timeout,
                  "the host did not answer in time (--timeout); what was asked for may still be done");
}

std::string errno_text(int error) { return std::generic_category().message(error); }

/// Waits until `fd` is ready for `events` or `interrupt_fd` is readable; true for the former.
Outcome<bool> wait_for(int fd, short events, int interrupt_fd, Deadline deadline) {
  for (;;) {
    const auto left = std::chrono::ceil<milliseconds>(deadline - steady_clock::now());
    if (left.count() <= 0) return too_late();
    std::array<pollfd, 2> descriptors{{{fd, events, 0}, {interrupt_fd, POLLIN, 0}}};
    constexpr long long poll_ms_max = 60'000;
    const int ready = ::poll(descriptors.data(), descriptors.size(),
                             static_cast<int>(std::min<long long>(left.count(), poll_ms_max)));
    if (ready < 0 && errno != EINTR) return end_with(exit_failed, "poll: " + errno_text(errno));
    if (ready <= 0) continue;
    if (descriptors[1].revents != 0) return false;
    return true;
  }
}

/// From a reply's "error" member. Throws when the host does not keep to the protocol.
Failure failure_from(const Json& error) {
  Error result{ErrorKind::failed, error.at("message").get<std::string>(), {}};
  if (const auto data = error.find("data"); data != error.end()) {
    result.kind = parse_error_kind(data->value("kind", ""));
    result.details = data->value("details", std::vector<std::string>{});
  }
  const ExitCode code = exit_code_of(result.kind);
  return {code, std::move(result)};
}

tl::unexpected<Failure> no_perch(const std::string& socket) {
  return end_with(exit_failed, "what answers at " + socket + " is no Perch host");
}

}  // namespace

Outcome<Client> Client::connect(const std::string& socket, Deadline deadline) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket.empty() || socket.size() >= sizeof address.sun_path) {
    return end_with(exit_usage, "\"" + socket + "\" is no path of a socket: it has " +
                                    std::to_string(socket.size()) + " bytes, allowed are 1 to " +
                                    std::to_string(sizeof address.sun_path - 1));
  }
  std::memcpy(address.sun_path, socket.c_str(), socket.size() + 1);
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return end_with(exit_failed, "socket: " + errno_text(errno));
  while (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    if (errno != EAGAIN && errno != EINTR) return no_host(socket, errno_text(errno));
    if (steady_clock::now() >= deadline) return too_late();
    std::this_thread::sleep_for(milliseconds(20));  // EAGAIN: the host's queue of new connections is full
  }
  Client client(std::move(fd), socket);
  const auto greeting = client.read_message(deadline, -1);
  if (!greeting) return end_with(greeting.error());
  if ((*greeting)->contains("error")) return end_with(failure_from((**greeting)["error"]));
  if (!(*greeting)->contains("perch")) return no_perch(socket);
  return client;
}

Outcome<void> Client::send_line(const std::string& line, Deadline deadline) {
  for (std::size_t sent = 0; sent < line.size();) {
    const ssize_t count = ::send(fd_.get(), line.data() + sent, line.size() - sent, MSG_NOSIGNAL);
    if (count >= 0) {
      sent += static_cast<std::size_t>(count);
    } else if (errno == EAGAIN) {
      if (const auto ready = wait_for(fd_.get(), POLLOUT, -1, deadline); !ready)
        return end_with(ready.error());
    } else if (errno != EINTR) {
      return ended(socket_);
    }
  }
  return {};
}

Outcome<std::optional<std::string>> Client::read_line(Deadline deadline, int interrupt_fd) {
  for (;;) {
    if (const std::size_t end = received_.find('\n', scanned_); end != std::string::npos) {
      std::string line = received_.substr(0, end);
      received_.erase(0, end + 1);
      scanned_ = 0;
      return line;
    }
    scanned_ = received_.size();
    if (received_.size() > line_bytes_max) return no_perch(socket_);
    const auto ready = wait_for(fd_.get(), POLLIN, interrupt_fd, deadline);
    if (!ready) return end_with(ready.error());
    if (!*ready) return std::nullopt;
    std::array<char, 64 * 1024> chunk;
    const ssize_t got = receive_with_descriptors(fd_.get(), chunk, descriptors_, 0);
    if (descriptors_.size() > descriptors_max) return no_perch(socket_);
    if (got > 0) {
      received_.append(chunk.data(), static_cast<std::size_t>(got));
    } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
      return ended(socket_);
    }
  }
}

Outcome<std::optional<Json>> Client::read_message(Deadline deadline, int interrupt_fd) {
  auto line = read_line(deadline, interrupt_fd);
  if (!line) return end_with(line.error());
  if (!*line) return std::nullopt;
  Json message = Json::parse(**line, nullptr, /*allow_exceptions=*/false);
  if (!message.is_object()) return no_perch(socket_);
  return message;
}

Outcome<Json> Client::call(const std::string& method, const Json& params, Deadline deadline,
                           const std::function<void(const Json&)>& on_notification) {
  const int id = ++last_id_;
  const Json request{{"jsonrpc", "2.0"}, {"id", id}, {"method", method}, {"params", params}};
  const std::string line = request.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  if (const auto sent = send_line(line, deadline); !sent) return end_with(sent.error());
  for (;;) {
    auto message = read_message(deadline, -1);
    if (!message) return end_with(message.error());
    Json& reply = **message;
    if (reply.contains("method") && on_notification) {
      on_notification(reply);
    } else if (reply.contains("method")) {
      notifications_.push_back(std::move(reply));
    } else if (reply.contains("error")) {
      return end_with(failure_from(reply["error"]));
    } else if (reply.contains("result") && reply.value("id", Json()) == id) {
      return std::move(reply["result"]);
    } else {
      return no_perch(socket_);
    }
  }
}

Outcome<std::optional<Json>> Client::next_notification(Deadline deadline, int interrupt_fd) {
  if (!notifications_.empty()) {
    Json first = std::move(notifications_.front());
    notifications_.pop_front();
    return first;
  }
  return read_message(deadline, interrupt_fd);
}

}  // namespace perch::client
