#include "base/listening_socket.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <string>
#include <thread>
#include <utility>

namespace perch {
namespace {

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

UniqueFd make_unix_socket() {
  return UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

/// Two hosts that start at once must not take each other's fresh socket for a dead one: from the look to
/// listen(), the folder is locked.
Result<UniqueFd> lock_folder(const std::filesystem::path& path) {
  const std::filesystem::path folder = path.has_parent_path() ? path.parent_path() : ".";
  UniqueFd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return fail_errno("folder of the socket " + path.native());
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
    return fail("listen on " + path.native() + ": there is a file that is no socket");
  }
  const UniqueFd probe = make_unix_socket();
  if (!probe) return fail_errno("socket");
  const bool answered = ::connect(probe.get(), generic(address), sizeof address) == 0;
  if (answered || errno == EAGAIN) {  // EAGAIN: its queue is full
    return fail("another host answers at " + path.native() +
                ": stop it, or name another path for the socket");
  }
  if (errno != ECONNREFUSED && errno != ENOENT)
    return fail_errno("looking whether a host answers at " + path.native());
  if (::unlink(path.c_str()) != 0 && errno != ENOENT)
    return fail_errno("removing the stale socket " + path.native());
  return {};
}

}  // namespace

/// The file that bind made at a path.
class ListeningSocket::File {
 public:
  File(std::filesystem::path path, const struct stat& status)
      : path_(std::move(path)), device_(status.st_dev), inode_(status.st_ino) {}
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() {
    struct stat status {};
    if (::lstat(path_.c_str(), &status) == 0 && status.st_dev == device_ && status.st_ino == inode_)
      ::unlink(path_.c_str());
  }

 private:
  const std::filesystem::path path_;
  const dev_t device_;
  const ino_t inode_;
};

Result<ListeningSocket> ListeningSocket::open_unix(const std::filesystem::path& path, unsigned mode,
                                                   std::optional<gid_t> group) {
  const auto address = address_of(path);
  if (!address) return fail(address.error());
  const auto lock = lock_folder(path);
  if (!lock) return fail(lock.error());
  if (const auto freed = remove_stale_socket(path, *address); !freed) return fail(freed.error());

  ListeningSocket made(make_unix_socket());
  if (!made) return fail_errno("socket");
  if (::bind(made.fd(), generic(*address), sizeof *address) != 0) return fail_errno("bind " + path.native());
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0) return fail_errno(path.native());
  made.file_ = std::make_shared<const File>(path, status);
  if (group && ::chown(path.c_str(), static_cast<uid_t>(-1), *group) != 0) made.group_error_ = errno;
  // Before listen nobody can connect, so the umask's mode never counts.
  if (::chmod(path.c_str(), mode) != 0) return fail_errno("chmod " + path.native());
  if (::listen(made.fd(), backlog) != 0) return fail_errno("listen on " + path.native());
  return made;
}

Result<UniqueFd> ListeningSocket::accept() {
  for (;;) {
    UniqueFd fd(::accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (fd || errno == EAGAIN) return fd;
    if (errno != EINTR && errno != ECONNABORTED) return fail_errno("accept a connection");
  }
}

Result<ListeningSocket> ListeningSocket::copy() const {
  ListeningSocket other(UniqueFd(::fcntl(fd_.get(), F_DUPFD_CLOEXEC, 0)));
  if (!other) return fail_errno("copy a socket's descriptor");
  other.file_ = file_;
  return other;
}

}  // namespace perch
