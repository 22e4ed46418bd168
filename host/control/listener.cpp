#include "control/listener.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>

#include "base/log.hpp"

namespace perch::control {
namespace {

constexpr int backlog = 256;

Result<sockaddr_un> address_of(const std::filesystem::path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string& text = path.native();
  if (text.empty() || text.size() >= sizeof address.sun_path) {
    return fail(ErrorKind::usage, "socket path \"" + text + "\" has " + std::to_string(text.size()) +
                                      " bytes; a socket's may have 1 to " +
                                      std::to_string(sizeof address.sun_path - 1));
  }
  std::memcpy(address.sun_path, text.c_str(), text.size() + 1);
  return address;
}

const sockaddr* generic(const sockaddr_un& address) { return reinterpret_cast<const sockaddr*>(&address); }

/// Two hosts that start at once must not take each other's fresh socket for a dead one: from the look to
/// listen(), the folder is locked.
Result<UniqueFd> lock_folder(const std::filesystem::path& path) {
  const std::filesystem::path folder = path.has_parent_path() ? path.parent_path() : ".";
  UniqueFd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return fail_errno("folder of the control socket, " + folder.native());
  constexpr int tries = 40;
  for (int i = 0; i < tries; ++i) {
    if (::flock(fd.get(), LOCK_EX | LOCK_NB) == 0) return fd;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return fail(ErrorKind::timeout, "another process keeps the folder " + folder.native() + " locked");
}

/// Makes the path free for bind.
Result<void> remove_stale_socket(const std::filesystem::path& path, const sockaddr_un& address) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0) {
    if (errno == ENOENT) return {};
    return fail_errno(path.native());
  }
  if (!S_ISSOCK(status.st_mode)) {
    return fail(path.native() +
                " exists and is no socket: remove it, or name another path for the control socket");
  }
  const UniqueFd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!probe) return fail_errno("socket");
  const bool answered = ::connect(probe.get(), generic(address), sizeof address) == 0;
  if (answered || errno == EAGAIN) {  // EAGAIN: its queue is full
    return fail("another host answers at " + path.native() + ": stop it, or name another control socket");
  }
  if (errno != ECONNREFUSED && errno != ENOENT)
    return fail_errno("looking whether a host answers at " + path.native());
  if (::unlink(path.c_str()) != 0 && errno != ENOENT)
    return fail_errno("removing the stale socket " + path.native());
  return {};
}

}  // namespace

Result<Listener> Listener::open(const std::filesystem::path& path, unsigned mode,
                                std::optional<gid_t> group) {
  const auto address = address_of(path);
  if (!address) return fail(address.error());
  const auto lock = lock_folder(path);
  if (!lock) return fail(lock.error());
  if (const auto freed = remove_stale_socket(path, *address); !freed) return fail(freed.error());

  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return fail_errno("socket");
  if (::bind(fd.get(), generic(*address), sizeof *address) != 0) return fail_errno("bind " + path.native());
  Listener listener(std::move(fd), path);
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0) return fail_errno(path.native());
  listener.device_ = status.st_dev;
  listener.inode_ = status.st_ino;
  if (group && ::chown(path.c_str(), static_cast<uid_t>(-1), *group) != 0) {
    spdlog::warn(
        "control: {} stays with its group ({}): members of group {} may not be able to connect; run "
        "the host as root or as a member of that group, or set control.mode to 0666",
        path.string(), std::strerror(errno), *group);
  }
  // Before listen nobody can connect, so the umask's mode never counts.
  if (::chmod(path.c_str(), mode) != 0) return fail_errno("chmod " + path.native());
  if (::listen(listener.fd(), backlog) != 0) return fail_errno("listen " + path.native());
  return listener;
}

Listener::~Listener() {
  if (!socket_) return;
  struct stat status {};
  if (::lstat(path_.c_str(), &status) == 0 && status.st_dev == device_ && status.st_ino == inode_) {
    ::unlink(path_.c_str());
  }
}

Result<UniqueFd> Listener::accept() {
  UniqueFd fd(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (fd || errno == EAGAIN || errno == EINTR || errno == ECONNABORTED) return fd;
  return fail_errno("accept");
}

}  // namespace perch::control
