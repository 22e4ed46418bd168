#include "ingest/stdin_stream.hpp"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace perch::ingest {

ReadResult StdinStream::read(std::span<char> space) {
  if (!given_up_.empty()) return {ReadKind::failed, 0, given_up_};
  pollfd ready{STDIN_FILENO, POLLIN, 0};
  if (::poll(&ready, 1, 0) <= 0) return {};
  const ssize_t count = ::read(STDIN_FILENO, space.data(), space.size());
  if (count > 0) return {ReadKind::data, static_cast<std::size_t>(count), {}};
  if (count == 0) return {ReadKind::ended, 0, {}};
  if (errno == EINTR || errno == EAGAIN) return {};
  return {ReadKind::failed, 0, std::string("reading standard input: ") + std::strerror(errno)};
}

void StdinStream::give_up(const std::string& reason) { given_up_ = reason; }

std::uint64_t StdinStream::bytes_waiting() const { return readable_bytes(STDIN_FILENO); }

void StdinStream::wait(const StopSignal& stop) {
  pollfd fds[2]{{STDIN_FILENO, POLLIN, 0}, {stop.fd(), POLLIN, 0}};
  ::poll(fds, 2, -1);
}

}  // namespace perch::ingest
