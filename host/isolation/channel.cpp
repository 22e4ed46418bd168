#include "isolation/channel.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <span>
#include <string_view>

#include "base/bounded_json.hpp"
#include "base/descriptor_message.hpp"
#include "base/write_all.hpp"

namespace perch::isolation {
namespace {

constexpr std::size_t message_bytes_max = std::size_t{4} << 20;
constexpr int depth_max = 32;
constexpr int send_seconds_max = 10;

/// In front of each message's text.
struct Header {
  std::uint32_t bytes;
  std::uint32_t descriptors;
};

}  // namespace

Channel::Channel(UniqueFd socket) : socket_(std::move(socket)) {
  const timeval bound{send_seconds_max, 0};
  setsockopt(socket_.get(), SOL_SOCKET, SO_SNDTIMEO, &bound, sizeof bound);
}

Result<std::pair<UniqueFd, UniqueFd>> Channel::make_sockets() {
  int sockets[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) != 0)
    return fail_errno("make a worker's channel (socketpair)");
  return std::pair(UniqueFd(sockets[0]), UniqueFd(sockets[1]));
}

bool Channel::send(const Json& body, const std::vector<int>& descriptors) {
  std::string bytes(sizeof(Header), '\0');
  bytes += body.dump(-1, ' ', false, Json::error_handler_t::replace);
  const Header header{static_cast<std::uint32_t>(bytes.size() - sizeof(Header)),
                      static_cast<std::uint32_t>(descriptors.size())};
  if (header.bytes > message_bytes_max || descriptors.size() > descriptors_per_message_max) return false;
  std::memcpy(bytes.data(), &header, sizeof header);

  const std::lock_guard lock(sending_);
  std::span<const int> along(descriptors);
  for (std::size_t done = 0; done < bytes.size();) {
    const ssize_t sent =
        send_with_descriptors(socket_.get(), std::span(bytes).subspan(done), along, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return false;
    done += static_cast<std::size_t>(sent);
    along = {};  // they have gone with the first byte
  }
  return true;
}

/// What has arrived as a whole. Sets is_broken_ for what is no message.
bool Channel::take(Message& message) {
  Header header{};
  if (received_.size() < sizeof header) return false;
  std::memcpy(&header, received_.data(), sizeof header);
  if (header.bytes > message_bytes_max || header.descriptors > descriptors_per_message_max) {
    is_broken_ = true;
    return false;
  }
  const std::size_t end = sizeof header + header.bytes;
  if (received_.size() < end) return false;
  auto body = parse_bounded(std::string_view(received_).substr(sizeof header, header.bytes), depth_max);
  received_.erase(0, end);
  if (!body || !body->is_object() || descriptors_.size() < header.descriptors) {
    is_broken_ = true;
    return false;
  }
  message.body = std::move(*body);
  message.descriptors.clear();
  for (std::uint32_t i = 0; i < header.descriptors; ++i) {
    message.descriptors.push_back(std::move(descriptors_.front()));
    descriptors_.pop_front();
  }
  return true;
}

bool Channel::read_some() {
  std::array<char, 64 * 1024> chunk;
  std::vector<UniqueFd> descriptors;
  const ssize_t got = receive_with_descriptors(socket_.get(), chunk, descriptors, MSG_DONTWAIT);
  if (got < 0) return errno == EINTR || errno == EAGAIN;
  std::move(descriptors.begin(), descriptors.end(), std::back_inserter(descriptors_));
  received_.append(chunk.data(), static_cast<std::size_t>(got));
  return got > 0 && descriptors_.size() <= 4 * descriptors_per_message_max;
}

Channel::Received Channel::receive(Message& message, std::chrono::milliseconds wait, int other_fd) {
  const auto until = std::chrono::steady_clock::now() + wait;
  while (!take(message)) {
    if (is_broken_) return Received::ended;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
    pollfd looks[2] = {{socket_.get(), POLLIN, 0}, {other_fd, POLLIN, 0}};
    const int ready = ::poll(looks, 2, static_cast<int>(std::max<std::int64_t>(left.count(), 0)));
    if (ready == 0) return Received::nothing;
    if (ready < 0 && errno != EINTR) return Received::ended;
    if (ready > 0 && looks[0].revents == 0) return Received::nothing;
    if (ready > 0 && !read_some()) {
      is_broken_ = true;  // but what has come before is still good
      if (take(message)) return Received::message;
      return Received::ended;
    }
  }
  return Received::message;
}

Result<UniqueFd> to_descriptor(const std::string& bytes) {
  UniqueFd fd(memfd_create("perch-state", MFD_CLOEXEC));
  if (!fd) return fail_errno("memory for a state (memfd_create)");
  if (!write_all(fd.get(), bytes)) return fail_errno("memory for a state");
  return fd;
}

Result<std::string> from_descriptor(int fd, std::uint64_t bytes_max) {
  struct stat status {};
  // Only memory can be sealed; reading anything else may wait for whoever made it.
  if (fcntl(fd, F_GET_SEALS) < 0 || fstat(fd, &status) != 0 || !S_ISREG(status.st_mode))
    return fail("a state in what is no memory");
  if (static_cast<std::uint64_t>(status.st_size) > bytes_max) return fail("a state that is too large");
  std::string bytes(static_cast<std::size_t>(status.st_size), '\0');
  for (std::size_t read = 0; read < bytes.size();) {
    const ssize_t count = pread(fd, bytes.data() + read, bytes.size() - read, static_cast<off_t>(read));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return fail("a state that is shorter than it says");
    read += static_cast<std::size_t>(count);
  }
  return bytes;
}

Json to_json(const Error& error) {
  return {{"kind", to_string(error.kind)}, {"message", error.message}, {"details", error.details}};
}

Error error_from(const Json& json) {
  const auto text_of = [](const Json& each) { return each.is_string() ? each.get<std::string>() : ""; };
  const auto member = [&json](const char* name) {
    return json.is_object() && json.contains(name) ? json.at(name) : Json();
  };
  Error error{ErrorKind::failed, text_of(member("message")), {}};
  const Json details = member("details");
  for (const Json& line : details) error.details.push_back(text_of(line));
  error.kind = parse_error_kind(text_of(member("kind")));
  return error;
}

}  // namespace perch::isolation
