#include "ingest/listener_loop.hpp"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <spdlog/spdlog.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/clock.hpp"
#include "ingest/spinning.hpp"

namespace perch::ingest {
namespace {

constexpr int backlog = 256;
constexpr int events_max = 64;
constexpr int wait_ms = 1000;
constexpr std::int64_t accept_pause_ms = 100;
constexpr std::chrono::seconds log_period{10};

UniqueFd make_socket(int family) {
  return UniqueFd(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

/// Whether somebody listens at the socket's file: a file alone may be left over by a host that was killed.
bool is_answered(const sockaddr_un& address) {
  const UniqueFd probe = make_socket(AF_UNIX);
  return probe && ::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

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

ListenerLoop::ListenerLoop(const SourceSpec& spec, UniqueFd socket)
    : spec_(spec),
      socket_(std::move(socket)),
      leaves_file_(static_cast<bool>(socket_)),
      refused_limit_(RateLimit::one_per(log_period)) {}

ListenerLoop::~ListenerLoop() {
  if (spec_.type == SourceType::unix_socket && socket_ && !leaves_file_) ::unlink(spec_.path.c_str());
}

Result<void> ListenerLoop::open() {
  epoll_.reset(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll_) return fail_errno("make an epoll descriptor");
  if (!socket_) {
    auto listening = spec_.type == SourceType::tcp ? listen_tcp() : listen_unix();
    if (!listening) return listening;
  }
  if (!watch(socket_.get(), nullptr)) return fail_errno("watch the socket");
  return {};
}

Result<void> ListenerLoop::listen_tcp() {
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
  UniqueFd socket = make_socket(list->ai_family);
  const int on = 1;
  if (!socket || ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
      ::bind(socket.get(), list->ai_addr, list->ai_addrlen) != 0 || ::listen(socket.get(), backlog) != 0) {
    return fail_errno("listen on " + spec_.address);
  }
  socket_ = std::move(socket);
  return {};
}

Result<void> ListenerLoop::listen_unix() {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string& path = spec_.path.native();
  if (path.size() >= sizeof address.sun_path) return fail(path + " is too long for a socket");
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  struct stat status {};
  if (::lstat(path.c_str(), &status) == 0) {
    if (!S_ISSOCK(status.st_mode)) return fail("listen on " + path + ": there is a file that is no socket");
    if (is_answered(address)) return fail("listen on " + path + ": somebody listens there already");
    ::unlink(path.c_str());
  }
  UniqueFd socket = make_socket(AF_UNIX);
  if (!socket || ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return fail_errno("listen on " + path);
  // Before it listens: until then nobody can connect, whatever the mode.
  if (::chmod(path.c_str(), spec_.mode) != 0 || ::listen(socket.get(), backlog) != 0) {
    const auto failed = fail_errno("listen on " + path);
    ::unlink(path.c_str());
    return failed;
  }
  socket_ = std::move(socket);
  return {};
}

UniqueFd ListenerLoop::copy_socket() const { return UniqueFd(::fcntl(socket_.get(), F_DUPFD_CLOEXEC, 0)); }

void ListenerLoop::own_socket_file() {
  // One that was handed on still has the mode that the source before gave it.
  const bool handed_on = spec_.type == SourceType::unix_socket && leaves_file_;
  if (handed_on && ::chmod(spec_.path.c_str(), spec_.mode) != 0) {
    spdlog::warn("source {}: {} keeps its mode: {}", spec_.name, spec_.path.string(), std::strerror(errno));
  }
  leaves_file_ = false;
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
    UniqueFd socket(::accept4(socket_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!socket) {
      if (errno == EINTR || errno == ECONNABORTED) continue;
      if (errno != EAGAIN) pause_accepting(intake, std::strerror(errno));
      return;
    }
    add(intake, std::move(socket));
  }
}

/// Out of descriptors or memory: who waits is still there when some come free. Until then epoll would tell of
/// them without end.
void ListenerLoop::pause_accepting(RowIntake& intake, const std::string& why) {
  intake.set_error("accept a connection: " + why);
  if (refused_limit_.allow()) spdlog::warn("source {}: cannot accept connections: {}", spec_.name, why);
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, socket_.get(), nullptr);
  accepts_from_ns_ = steady_now_ns() + accept_pause_ms * 1'000'000;
}

void ListenerLoop::accept_again_when_due() {
  if (accepts_from_ns_ == 0 || steady_now_ns() < accepts_from_ns_) return;
  accepts_from_ns_ = watch(socket_.get(), nullptr) ? 0 : steady_now_ns() + accept_pause_ms * 1'000'000;
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
  const std::int64_t now = steady_now_ns();
  if (now - lag_looked_at_ns_ < lag_period_ns) return;
  lag_looked_at_ns_ = now;
  std::uint64_t waiting = 0;
  for (const Connection& connection : connections_) {
    int bytes = 0;
    if (::ioctl(connection.socket.get(), FIONREAD, &bytes) == 0) waiting += static_cast<std::uint64_t>(bytes);
  }
  intake.set_lag_bytes(waiting);
}

}  // namespace perch::ingest
