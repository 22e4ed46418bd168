// A file descriptor with one owner.
#pragma once

#include <unistd.h>

#include <utility>

#include "base/host_descriptors.hpp"

namespace perch {

/// Listed as the host's (host_descriptors.hpp) as long as it is held.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) noexcept : fd_(fd) { host_descriptors::add(fd); }
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    if (this != &other) {
      close();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  ~UniqueFd() { close(); }

  int get() const noexcept { return fd_; }
  explicit operator bool() const noexcept { return fd_ >= 0; }
  int release() noexcept {
    host_descriptors::remove(fd_);
    return std::exchange(fd_, -1);
  }
  void reset(int fd = -1) noexcept {
    close();
    fd_ = fd;
    host_descriptors::add(fd);
  }

 private:
  void close() noexcept {
    if (fd_ < 0) return;
    host_descriptors::remove(fd_);
    ::close(fd_);
    fd_ = -1;
  }

  int fd_ = -1;
};

}  // namespace perch
