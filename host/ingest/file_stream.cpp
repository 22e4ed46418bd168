#include "ingest/file_stream.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace perch::ingest {

Result<std::unique_ptr<ByteStream>> FileStream::open(const std::filesystem::path& path, bool follow) {
  auto stream = std::make_unique<FileStream>(path, follow);
  if (follow && ::access(path.c_str(), F_OK) != 0) return stream;  // missing: read() waits for it
  if (auto opened = stream->open_file(); !opened) return fail(opened.error());
  return stream;
}

FileStream::FileStream(std::filesystem::path path, bool follow) : path_(std::move(path)), follow_(follow) {}

Result<void> FileStream::open_file() {
  // Non-blocking, so that a FIFO without a writer does not hold the thread.
  UniqueFd file(::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file) return fail_errno("open " + path_.string());
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) return fail_errno("look at " + path_.string());
  if (S_ISDIR(status.st_mode)) {
    errno = EISDIR;
    return fail_errno("read " + path_.string());
  }
  file_ = std::move(file);
  read_ = 0;
  given_up_.clear();
  if (!follow_) return {};
  inotify_.reset(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  // Through the descriptor: the path may name another file by now.
  const std::string self = "/proc/self/fd/" + std::to_string(file_.get());
  if (inotify_ && ::inotify_add_watch(inotify_.get(), self.c_str(), IN_MODIFY) < 0) inotify_.reset();
  return {};
}

void FileStream::give_up(const std::string& reason) { given_up_ = reason; }

std::uint64_t FileStream::bytes_waiting() const {
  struct stat status {};
  if (!file_ || ::fstat(file_.get(), &status) != 0) return 0;
  if (!S_ISREG(status.st_mode)) return readable_bytes(file_.get());
  const auto size = static_cast<std::uint64_t>(status.st_size);
  return size > read_ ? size - read_ : 0;
}

ReadResult FileStream::read(std::span<char> space) {
  if (!file_ && !open_file()) return {};
  if (!given_up_.empty()) {
    if (!follow_) return {ReadKind::failed, 0, given_up_};
    const off_t end = ::lseek(file_.get(), 0, SEEK_END);
    if (end > 0) read_ = std::max(read_, static_cast<std::uint64_t>(end));
  }
  const ssize_t count = ::read(file_.get(), space.data(), space.size());
  if (count > 0) {
    read_ += static_cast<std::uint64_t>(count);
    return {ReadKind::data, static_cast<std::size_t>(count), {}};
  }
  if (count == 0) return at_end(space);
  return errno == EINTR || errno == EAGAIN ? ReadResult{} : read_failed();
}

ReadResult FileStream::at_end(std::span<char> space) {
  if (!follow_) return {ReadKind::ended, 0, {}};
  if (truncated()) {
    ::lseek(file_.get(), 0, SEEK_SET);
    read_ = 0;
    given_up_.clear();
    return {ReadKind::run_ended, 0, {}};
  }
  if (!replaced()) return {};
  // What was written between the read that found the end and the replacement is still to be had.
  const ssize_t count = ::read(file_.get(), space.data(), space.size());
  if (count > 0) {
    read_ += static_cast<std::uint64_t>(count);
    return {ReadKind::data, static_cast<std::size_t>(count), {}};
  }
  file_.reset();
  inotify_.reset();
  return {ReadKind::run_ended, 0, {}};
}

bool FileStream::truncated() const {
  struct stat status {};
  return ::fstat(file_.get(), &status) == 0 && S_ISREG(status.st_mode) &&
         static_cast<std::uint64_t>(status.st_size) < read_;
}

/// Whether the path names another file. Not while it names none: the new one is still to come.
bool FileStream::replaced() const {
  struct stat ours {};
  struct stat named {};
  if (::fstat(file_.get(), &ours) != 0 || ::stat(path_.c_str(), &named) != 0) return false;
  return ours.st_ino != named.st_ino || ours.st_dev != named.st_dev;
}

/// A followed file is opened again (a network share may come back), any other one has failed.
ReadResult FileStream::read_failed() {
  std::string error = "reading " + path_.string() + ": " + std::strerror(errno);
  if (!follow_) return {ReadKind::failed, 0, std::move(error)};
  file_.reset();
  inotify_.reset();
  return {ReadKind::run_ended, 0, std::move(error)};
}

void FileStream::wait(const StopSignal& stop) {
  // poll(2) ignores the entry of an inotify descriptor that is not there (−1).
  pollfd fds[2]{{stop.fd(), POLLIN, 0}, {inotify_.get(), POLLIN, 0}};
  if (::poll(fds, 2, poll_interval_ms) <= 0 || fds[1].revents == 0) return;
  alignas(inotify_event) char events[4096];
  while (::read(inotify_.get(), events, sizeof events) > 0) {
  }
}

}  // namespace perch::ingest
