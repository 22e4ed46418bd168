// Listener: the socket file, and who connects to it.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>

#include "base/result.hpp"
#include "base/unique_fd.hpp"

namespace perch::control {

/// A listening AF_UNIX socket; the file goes with it. Not thread safe.
class Listener {
 public:
  /// A socket file that nobody answers at is replaced. Errors: a host answers there, another kind of file is
  /// there, the path is too long for a socket. `mode` and `group` (none: the process's own) apply before
  /// anyone can connect; a group that may not be given to it is a warning in the log.
  static Result<Listener> open(const std::filesystem::path& path, unsigned mode,
                               std::optional<gid_t> group = std::nullopt);
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
