// ListeningSocket: a stream socket that listens, with the file of a UNIX one.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <utility>

#include "base/result.hpp"
#include "base/unique_fd.hpp"

namespace perch {

/// May be empty. Not thread safe; copies may be used by different threads.
///
/// The file is removed with the last copy, before that one's descriptor is closed: as long as it is there,
/// somebody answers at it. A file that took its place stays.
class ListeningSocket {
 public:
  static constexpr int backlog = 256;

  /// At a path. A socket file that nobody answers at is replaced. Errors: somebody answers there, another
  /// kind of file is there, the path is too long for a socket. `mode` and `group` (none: the process's own)
  /// apply before anybody can connect; for a group that may not be given to it, see group_error.
  static Result<ListeningSocket> open_unix(const std::filesystem::path& path, unsigned mode,
                                           std::optional<gid_t> group = std::nullopt);
  ListeningSocket() = default;
  /// One that listens already, does not block and has no file.
  explicit ListeningSocket(UniqueFd fd) : fd_(std::move(fd)) {}
  ListeningSocket(ListeningSocket&&) noexcept = default;
  ListeningSocket& operator=(ListeningSocket&& other) noexcept {
    file_ = std::move(other.file_);  // first: see above
    fd_ = std::move(other.fd_);
    group_error_ = other.group_error_;
    return *this;
  }

  explicit operator bool() const noexcept { return static_cast<bool>(fd_); }
  int fd() const noexcept { return fd_.get(); }
  /// Why the file does not have the group that was asked for, as an errno; 0: it has.
  int group_error() const noexcept { return group_error_; }
  /// The next connection, non-blocking; no descriptor when nobody waits. An error when the system has no
  /// descriptors or memory left.
  Result<UniqueFd> accept();
  /// Another descriptor of the same socket. An error when the system has none left.
  Result<ListeningSocket> copy() const;

 private:
  class File;

  UniqueFd fd_;
  std::shared_ptr<const File> file_;  // after fd_, so that it is removed before that is closed
  int group_error_ = 0;
};

}  // namespace perch
