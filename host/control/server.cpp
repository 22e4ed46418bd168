#include "control/server.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <optional>
#include <vector>

#include "base/assert.hpp"
#include "base/joinable_thread.hpp"
#include "base/listening_socket.hpp"
#include "base/log.hpp"
#include "base/units.hpp"
#include "control/connection.hpp"
#include "control/json_rpc.hpp"
#include "control/mailbox.hpp"
#include "control/method.hpp"

namespace perch::control {
namespace {

constexpr std::size_t connections_max = 64;
constexpr std::size_t receive_bytes_per_turn = 64 * 1024;
constexpr int lines_per_turn = 32;  // of one connection, so that a flood holds the others up for ms only
constexpr auto accept_pause = std::chrono::milliseconds(100);
constexpr auto idle_time_min = std::chrono::seconds(10);  // who has asked once may be a person who thinks

}  // namespace

/// Everything but open, start and stop runs on `thread`.
struct Server::Parts {
  Parts(Host the_host, ServerSpec the_spec) : host(std::move(the_host)), spec(std::move(the_spec)) {}

  void run();
  int poll_timeout_ms(Clock::time_point now);
  bool wait();
  void accept_peers();
  std::size_t unattached() const;
  bool make_room();
  void turn_away(const UniqueFd& peer, const Error& why);
  void serve_requests(Connection& connection);
  void serve_line(Connection& connection, std::string_view line);
  void dispatch(Connection& connection, Request request);
  void run_method(const Method& method, const Request& request, Connection& connection);
  void deliver_answers();
  void deliver(Connection& connection, std::uint64_t ticket, const Result<std::string>& result);
  void end_late_requests(Clock::time_point now);
  void say_goodbye();

  const Host host;
  const ServerSpec spec;
  ListeningSocket listener;
  std::shared_ptr<Mailbox> mailbox;
  std::atomic<bool> stopping{false};
  JoinableThread thread;

  std::vector<std::unique_ptr<Connection>> connections;
  std::vector<pollfd> descriptors;  // mailbox, listener, the connections in their order, ended processes
  std::uint64_t last_id = 0;        // of connections and tickets
  Clock::time_point accept_again{};
};

Server::Server(Host host, ServerSpec spec)
    : parts_(std::make_unique<Parts>(std::move(host), std::move(spec))) {}

Server::~Server() { stop(); }

Result<void> Server::open() {
  PERCH_ASSERT(!parts_->listener, "the server is opened once");
  auto mailbox = Mailbox::make();
  if (!mailbox) return fail(mailbox.error());
  const auto& groups = parts_->spec.roles.groups;
  auto listener =
      ListeningSocket::open_unix(parts_->spec.socket, parts_->spec.mode,
                                 groups.empty() ? std::nullopt : std::optional(groups.front().id));
  if (!listener) return fail(listener.error());
  if (const int error = listener->group_error(); error != 0) {
    spdlog::warn(
        "control: {} stays with its group ({}): members of group {} may not be able to connect; run the host "
        "as "
        "root or as a member of that group, or set control.mode to 0666",
        parts_->spec.socket.string(), std::strerror(error), groups.front().id);
  }
  parts_->mailbox = std::move(*mailbox);
  parts_->listener = std::move(*listener);
  return {};
}

Result<void> Server::start() {
  PERCH_ASSERT(parts_->listener && !parts_->thread.is_joinable(), "the server is opened, then started once");
  parts_->stopping.store(false, std::memory_order_relaxed);  // the thread is made after it
  return parts_->thread.start("perch-control", [parts = parts_.get()] { parts->run(); });
}

void Server::stop() {
  if (parts_->thread.is_joinable()) {
    // release, with run's acquire: the wake that follows is seen by the thread's clear() or leaves the
    // descriptor readable, so the thread looks at the flag once more either way.
    parts_->stopping.store(true, std::memory_order_release);
    parts_->mailbox->wake();
    parts_->thread.join();
  }
  parts_->listener = {};
}

void Server::Parts::run() {
  while (!stopping.load(std::memory_order_acquire)) {
    const bool peers_wait = wait();
    for (auto& connection : connections) serve_requests(*connection);
    deliver_answers();
    end_late_requests(Clock::now());
    for (auto& connection : connections) {
      connection->pump_events();
      connection->flush();
    }
    std::erase_if(connections, [](const auto& connection) { return connection->is_over(); });
    if (peers_wait) accept_peers();
  }
  say_goodbye();
}

int Server::Parts::poll_timeout_ms(Clock::time_point now) {
  Clock::time_point wake = now + std::chrono::minutes(1);
  for (const auto& connection : connections) {
    if (connection->may_take_line() || connection->has_events_waiting()) return 0;
    for (const auto& [ticket, pending] : connection->pending) wake = std::min(wake, pending.deadline);
    if (const auto since = connection->stalled_since()) {
      wake = std::min(wake, *since + std::chrono::duration_cast<Clock::duration>(spec.stall_time_max));
    }
  }
  if (accept_again > now) wake = std::min(wake, accept_again);
  return static_cast<int>(
      std::chrono::ceil<std::chrono::milliseconds>(std::max(wake - now, Clock::duration(0))).count());
}

/// Sleeps until there is something to do, and receives. True: somebody may want to connect.
bool Server::Parts::wait() {
  const Clock::time_point now = Clock::now();
  descriptors.clear();
  descriptors.push_back({mailbox->fd(), POLLIN, 0});
  descriptors.push_back({accept_again > now ? -1 : listener.fd(), POLLIN, 0});
  for (const auto& connection : connections) {
    const int events =
        (connection->may_receive() ? POLLIN : 0) | (connection->unsent_bytes() > 0 ? POLLOUT : 0);
    descriptors.push_back({connection->fd(), static_cast<short>(events), 0});
  }
  for (const auto& connection : connections) {
    if (connection->attachment) descriptors.push_back({connection->attachment.pidfd(), POLLIN, 0});
  }
  if (::poll(descriptors.data(), descriptors.size(), poll_timeout_ms(now)) < 0) return false;  // a signal
  if (descriptors[0].revents != 0) mailbox->clear();
  for (std::size_t i = 0; i < connections.size(); ++i) {
    const short events = descriptors[i + 2].revents;
    if (events & POLLIN) connections[i]->receive(receive_bytes_per_turn);
    if (events & (POLLHUP | POLLERR)) connections[i]->leave();
  }
  // A process that has ended has no pins any more, whoever else may still hold its socket.
  auto ended = descriptors.begin() + static_cast<std::ptrdiff_t>(connections.size()) + 2;
  for (auto& connection : connections) {
    if (!connection->attachment) continue;
    if ((ended++)->revents != 0) connection->break_off();
  }
  return descriptors[1].revents != 0;
}

void Server::Parts::accept_peers() {
  for (std::size_t accepted = 0; accepted < connections_max; ++accepted) {
    // Those just accepted may be gone already, or may want something: look at them before anybody is turned
    // away or closed.
    if (accepted > 0 && unattached() >= connections_max) return;
    auto peer = listener.accept();
    if (!peer) {
      spdlog::warn("control: {}; trying again in {}", peer.error().message, format_duration(accept_pause));
      accept_again = Clock::now() + accept_pause;
      return;
    }
    if (!*peer) return;
    const Role role = spec.roles.role_of_peer(peer->get());
    if (role == Role::nobody) {
      turn_away(*peer, {ErrorKind::refused,
                        "nothing for you here: " + spec.roles.who_may_change() + " may use this host",
                        {}});
      continue;
    }
    if (unattached() >= connections_max && !make_room()) {
      turn_away(*peer, {ErrorKind::exhausted,
                        "the host has " + std::to_string(connections_max) +
                            " control connections already, all of them busy; try again later",
                        {}});
      return;
    }
    auto connection = std::make_unique<Connection>(std::move(*peer), ++last_id, role);
    const Json greeting{
        {"perch", {{"name", host.name}, {"version", host.version}, {"role", to_string(role)}}}};
    connection->send(to_text(greeting) + "\n");
    connections.push_back(std::move(connection));
  }
}

/// Connections that count for connections_max: processes that map the tree are counted elsewhere.
std::size_t Server::Parts::unattached() const {
  return static_cast<std::size_t>(std::count_if(connections.begin(), connections.end(),
                                                [](const auto& each) { return !each->attachment; }));
}

/// Closes the connection that is least likely to be missed: the oldest that never asked anything, else the
/// one that has been idle longest.
bool Server::Parts::make_room() {
  const auto now = Clock::now();
  const auto is_before = [](const auto& left, const auto& right) {
    return std::pair(left->has_asked(), left->last_request()) <
           std::pair(right->has_asked(), right->last_request());
  };
  auto least = connections.end();
  for (auto at = connections.begin(); at != connections.end(); ++at) {
    const Connection& each = **at;
    const bool may_go = each.is_idle() && (!each.has_asked() || now - each.last_request() >= idle_time_min);
    if (may_go && (least == connections.end() || is_before(*at, *least))) least = at;
  }
  if (least == connections.end()) return false;
  connections.erase(least);
  return true;
}

void Server::Parts::turn_away(const UniqueFd& peer, const Error& why) {
  const std::string line = error_line("null", RpcCode::refused, why);
  // A fresh socket has room for it; a peer that is gone misses nothing.
  [[maybe_unused]] const ssize_t sent =
      ::send(peer.get(), line.data(), line.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
}

void Server::Parts::serve_requests(Connection& connection) {
  for (int i = 0; i < lines_per_turn && connection.may_take_line(); ++i) {
    const Line line = connection.take_line();
    if (line.too_long) {
      connection.send(error_line(
          "null", RpcCode::invalid_request,
          {ErrorKind::usage, "a request line is longer than " + format_size(request_bytes_max), {}}));
    } else if (line.text.find_first_not_of(" \t\r") != std::string::npos) {
      serve_line(connection, line.text);
    }
  }
}

void Server::Parts::serve_line(Connection& connection, std::string_view line) {
  auto request = parse_request(line);
  if (!request) {
    connection.send(error_line(request.error().id, request.error().code, request.error().error));
    return;
  }
  dispatch(connection, std::move(*request));
}

void Server::Parts::dispatch(Connection& connection, Request request) {
  const auto refuse = [&](RpcCode code, const Error& error) {
    if (request.id) connection.send(error_line(*request.id, code, error));
  };
  const auto& methods = all_methods();
  const auto method = std::find_if(methods.begin(), methods.end(),
                                   [&](const Method& each) { return request.method == each.name; });
  if (method == methods.end()) return refuse(RpcCode::method_not_found, unknown_method(request.method));
  if (const auto checked = check_parameters(*method, request.params); !checked) {
    return refuse(RpcCode::invalid_params, checked.error());
  }
  if (method->changes && !may_change(connection.role())) {
    return refuse(RpcCode::refused, {ErrorKind::refused,
                                     std::string(method->name) +
                                         " changes the host: " + spec.roles.who_may_change() + " may call it",
                                     {}});
  }
  run_method(*method, request, connection);
}

void Server::Parts::run_method(const Method& method, const Request& request, Connection& connection) {
  const std::uint64_t ticket = ++last_id;
  const auto deadline = Clock::now() + std::chrono::duration_cast<Clock::duration>(spec.request_time_max);
  PendingRequest& pending = connection.pending[ticket] = {request.id, deadline};
  try {
    method.run(Call(host, request.params, connection, pending, mailbox, ticket));
  } catch (const std::exception& error) {
    connection.pending.erase(ticket);
    spdlog::error("control: {}: {}", method.name, error.what());
    if (request.id) {
      connection.send(
          error_line(*request.id, RpcCode::internal_error, {ErrorKind::failed, error.what(), {}}));
    }
  }
}

void Server::Parts::deliver_answers() {
  for (const Answer& answer : mailbox->take_all()) {
    const auto found = std::find_if(connections.begin(), connections.end(), [&](const auto& connection) {
      return connection->id() == answer.connection;
    });
    if (found != connections.end()) deliver(**found, answer.ticket, answer.result);
  }
}

void Server::Parts::deliver(Connection& connection, std::uint64_t ticket, const Result<std::string>& result) {
  const auto pending = connection.pending.find(ticket);
  if (pending == connection.pending.end()) return;  // it took too long and has been answered
  connection.pump_events();                         // what led to an answer is told before it
  if (const auto& id = pending->second.id) {
    if (result) {
      connection.send(result_line(*id, *result), std::move(pending->second.descriptors));
    } else {
      connection.send(error_line(*id, code_of(result.error().kind), result.error()));
    }
  }
  connection.pending.erase(pending);
}

void Server::Parts::end_late_requests(Clock::time_point now) {
  for (auto& connection : connections) {
    for (auto pending = connection->pending.begin(); pending != connection->pending.end();) {
      const auto current = pending++;
      if (current->second.deadline > now) continue;
      deliver(*connection, current->first,
              fail(ErrorKind::timeout,
                   "no answer within the time a request may take; it may still be carried out"));
    }
    const auto stalled = connection->stalled_since();
    if (stalled && now - *stalled >= spec.stall_time_max) connection->break_off();
  }
}

void Server::Parts::say_goodbye() {
  for (auto& connection : connections) {
    while (!connection->pending.empty()) {
      deliver(*connection, connection->pending.begin()->first, fail("the host is stopping"));
    }
    connection->flush();
  }
  connections.clear();
}

}  // namespace perch::control
