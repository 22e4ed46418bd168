#include "ingest/listener_loop.hpp"

#include <netdb.h>
#include <spdlog/spdlog.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/clock.hpp"
#include "ingest/spinning.hpp"

namespace perch::ingest {
namespace {

constexpr int events_max = 64;
constexpr int wait_ms = 1000;
constexpr std::int64_t accept_pause_ms = 100;
constexpr std::chrono::seconds log_period{10};

}  // namespace

Result<TcpAddress> parse_tcp_address(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  TcpAddress address;
  if (colon != std::string::npos) {
    address.host = text.substr(0, colon);
    address.port = text.substr(colon + 1);
  }
  if (address.host.starts_with('[') && address.host.ends_with(']'))
    address.host = address.host.substr(1, address.host.size() - 2);
  const bool is_port = !address.port.empty() && address.port.size() <= 5 &&
                       address.port.find_first_not_of("0123456789") == std::string::npos &&
                       std::stoi(address.port) <= 65535;
  if (colon == std::string::npos || !is_port) {
    return fail(ErrorKind::usage, "\"" + text +
                                      "\" is no address; write \"127.0.0.1:4000\", \"[::1]:4000\", or "
                                      "\":4000\" for every address of this machine");
  }
  return address;
}

ListenerLoop::ListenerLoop(const SourceSpec& spec, ListeningSocket socket)
    : spec_(spec),
      socket_(std::move(socket)),
      is_handed_on_(static_cast<bool>(socket_)),
      refused_limit_(RateLimit::one_per(log_period)) {}

Result<void> ListenerLoop::open() {
  epoll_.reset(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll_) return fail_errno("make an epoll descriptor");
  if (!socket_) {
    auto opened =
        spec_.type == SourceType::tcp ? listen_tcp() : ListeningSocket::open_unix(spec_.path, spec_.mode);
    if (!opened) return fail(std::move(opened.error()));
    socket_ = std::move(*opened);
  }
  if (!watch(socket_.fd(), nullptr)) return fail_errno("watch the socket");
  return {};
}

Result<ListeningSocket> ListenerLoop::listen_tcp() const {
  const auto address = parse_tcp_address(spec_.address);
  if (!address) return fail(address.error());
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int code = ::getaddrinfo(address->host.empty() ? nullptr : address->host.c_str(),
                                 address->port.c_str(), &hints, &found);
  if (code != 0) return fail("listen on " + spec_.address + ": " + ::gai_strerror(code));
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> list(found, ::freeaddrinfo);
  UniqueFd socket(::socket(list->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const int on = 1;
  if (!socket || ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
      ::bind(socket.get(), list->ai_addr, list->ai_addrlen) != 0 ||
      ::listen(socket.get(), ListeningSocket::backlog) != 0) {
    return fail_errno("listen on " + spec_.address);
  }
  return ListeningSocket(std::move(socket));
}

/// A socket that was handed on still has the mode that the source before gave it.
void ListenerLoop::take_over() {
  if (!is_handed_on_ || spec_.type != SourceType::unix_socket) return;
  if (::chmod(spec_.path.c_str(), spec_.mode) != 0)
    spdlog::warn("source {}: {} keeps its mode: {}", spec_.name, spec_.path.string(), std::strerror(errno));
}

bool ListenerLoop::watch(int descriptor, void* what) {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLRDHUP;
  event.data.ptr = what;
  return ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, descriptor, &event) == 0;
}

void ListenerLoop::run(RowIntake& intake) {
  if (!watch(intake.stop().fd(), &epoll_)) {  // any address that is no connection's
    intake.set_error("cannot watch for the stop: out of memory");
    intake.set_state(SourceState::failed);
    return;
  }
  bool has_more = false;
  while (!intake.stop().requested()) {
    if (!has_more) {
      intake.flush();
      intake.set_state(SourceState::waiting);
    }
    const int timeout_ms = accepts_from_ns_ != 0 ? int{accept_pause_ms} : wait_ms;
    has_more = serve(intake, has_more || spec_.spin ? 0 : timeout_ms);
    accept_again_when_due();
    if (!has_more && spec_.spin) spin_once();
  }
  for (Connection& connection : connections_) intake.finish(*connection.decoder, connection.position);
  intake.hand_over();
  connections_.clear();
  intake.set_connections(0);
}

/// One round over the connections that have something. True: some of them have more.
bool ListenerLoop::serve(RowIntake& intake, int timeout_ms) {
  epoll_event ready[events_max];
  const int count = ::epoll_wait(epoll_.get(), ready, events_max, timeout_ms);
  bool has_more = false;
  for (int i = 0; i < count && !intake.stop().requested(); ++i) {
    if (ready[i].data.ptr == nullptr) {
      accept_all(intake);
    } else if (ready[i].data.ptr != &epoll_) {
      auto& connection = *static_cast<Connection*>(ready[i].data.ptr);
      const Turn turn = read(intake, connection);
      has_more |= turn == Turn::more;
      if (turn == Turn::over) close(intake, connection);
    }
  }
  if (count > 0) look_at_lag(intake);
  return has_more || count == events_max;
}

void ListenerLoop::accept_all(RowIntake& intake) {
  for (;;) {
    auto accepted = socket_.accept();
    if (!accepted) return pause_accepting(intake, accepted.error().message);
    if (!*accepted) return;
    add(intake, std::move(*accepted));
  }
}

/// Out of descriptors or memory: who waits is still there when some come free. Until then epoll would tell of
/// them without end.
void ListenerLoop::pause_accepting(RowIntake& intake, const std::string& why) {
  intake.set_error(why);
  if (refused_limit_.allow()) spdlog::warn("source {}: {}", spec_.name, why);
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, socket_.fd(), nullptr);
  accepts_from_ns_ = steady_now_ns() + accept_pause_ms * 1'000'000;
}

void ListenerLoop::accept_again_when_due() {
  if (accepts_from_ns_ == 0 || steady_now_ns() < accepts_from_ns_) return;
  accepts_from_ns_ = watch(socket_.fd(), nullptr) ? 0 : steady_now_ns() + accept_pause_ms * 1'000'000;
}

void ListenerLoop::add(RowIntake& intake, UniqueFd socket) {
  if (connections_.size() >= spec_.connections_max) {
    intake.connection_refused();
    if (refused_limit_.allow())
      spdlog::warn("source {}: closes new connections: there are {} (\"connections_max\")", spec_.name,
                   connections_.size());
    return;  // closed
  }
  Connection& connection = connections_.emplace_back();
  connection.socket = std::move(socket);
  connection.decoder = intake.make_decoder();
  if (!watch(connection.socket.get(), &connection)) {
    intake.set_error(std::string("watch a connection: ") + std::strerror(errno));
    connections_.pop_back();
  }
  intake.set_connections(static_cast<std::uint32_t>(connections_.size()));
}

ListenerLoop::Turn ListenerLoop::read(RowIntake& intake, Connection& connection) {
  for (int turn = 0; turn < reads_per_turn; ++turn) {
    const auto space = connection.decoder->space();
    const ssize_t count = ::recv(connection.socket.get(), space.data(), space.size(), 0);
    if (count == 0) return Turn::over;
    if (count < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN) return Turn::idle;
      intake.set_error(std::string("a connection broke: ") + std::strerror(errno));
      return Turn::over;
    }
    intake.bytes_read(static_cast<std::size_t>(count));
    connection.decoder->added(static_cast<std::size_t>(count));
    if (!intake.take(*connection.decoder, connection.position)) {
      intake.set_error("a connection was closed: " + intake.broken_reason());
      return Turn::over;
    }
    if (static_cast<std::size_t>(count) < space.size()) return Turn::idle;  // that was all
  }
  return Turn::more;
}

void ListenerLoop::close(RowIntake& intake, Connection& connection) {
  intake.finish(*connection.decoder, connection.position);
  const auto self = std::find_if(connections_.begin(), connections_.end(),
                                 [&](const Connection& other) { return &other == &connection; });
  connections_.erase(self);
  intake.set_connections(static_cast<std::uint32_t>(connections_.size()));
}

void ListenerLoop::look_at_lag(RowIntake& intake) {
  if (!lag_timer_.is_due()) return;
  std::uint64_t waiting = 0;
  for (const Connection& connection : connections_) {
    int bytes = 0;
    if (::ioctl(connection.socket.get(), FIONREAD, &bytes) == 0) waiting += static_cast<std::uint64_t>(bytes);
  }
  intake.set_lag_bytes(waiting);
}

}  // namespace perch::ingest
