// Listener: the socket file, and who is on the other end of a connection.
#pragma once

#include <sys/types.h>

#include <filesystem>

#include "base/result.hpp"
#include "base/unique_fd.hpp"

namespace perch::control {

/// What a peer may do.
enum class Role {
  viewer,  ///< look
  owner,   ///< look and change: the host's own user, and root
};
const char* to_string(Role role) noexcept;

/// By SO_PEERCRED: who connected, as the kernel saw it then. Unknown: viewer.
Role role_of_peer(int fd) noexcept;

/// A listening AF_UNIX socket; the file goes with it. Not thread safe.
class Listener {
 public:
  /// A socket file that nobody answers at is replaced. Errors: a host answers there, another kind of file is
  /// there, the path is too long for a socket. `mode` applies before anyone can connect.
  static Result<Listener> open(const std::filesystem::path& path, unsigned mode);
  Listener(Listener&& other) noexcept = default;
  Listener& operator=(Listener&&) = delete;
  ~Listener();

  int fd() const noexcept { return socket_.get(); }
  /// The next connection, non-blocking; no descriptor when nobody waits. An error when the system has no
  /// descriptors or memory left.
  Result<UniqueFd> accept();

 private:
  Listener(UniqueFd socket, std::filesystem::path path)
      : socket_(std::move(socket)), path_(std::move(path)) {}

  UniqueFd socket_;
  std::filesystem::path path_;
  dev_t device_ = 0;  // of our file: another host's that took its place stays
  ino_t inode_ = 0;
};

}  // namespace perch::control
