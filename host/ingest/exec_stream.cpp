#include "ingest/exec_stream.hpp"

#include <poll.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/units.hpp"

namespace perch::ingest {
namespace {

constexpr double error_lines_per_second_max = 20;
constexpr std::size_t error_line_bytes_max = 1024;

int milliseconds_until(std::chrono::steady_clock::time_point when) noexcept {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(when - std::chrono::steady_clock::now());
  return static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 60'000));
}

}  // namespace

Result<std::unique_ptr<ByteStream>> ExecStream::open(const SourceSpec& spec) {
  if (spec.command.empty()) return fail(ErrorKind::usage, "the command is empty");
  // A bare name is looked up in PATH when it is started.
  const std::string& program = spec.command.front();
  if (program.find('/') != std::string::npos && ::access(program.c_str(), X_OK) != 0) {
    return fail_errno("run " + program);
  }
  return std::make_unique<ExecStream>(spec);
}

ExecStream::ExecStream(const SourceSpec& spec)
    : name_(spec.name),
      command_(spec.command),
      restart_(spec.restart),
      restart_delay_max_(spec.restart_delay_max),
      backoff_(spec.restart_delay_min, spec.restart_delay_max),
      error_limit_(error_lines_per_second_max, error_lines_per_second_max),
      left_out_limit_(RateLimit::one_per(std::chrono::seconds(1))) {}

ExecStream::~ExecStream() {
  if (child_) child_->end(grace);
}

ReadResult ExecStream::read(std::span<char> space) {
  if (!child_) {
    if (Clock::now() < next_start_) return {};
    return start();
  }
  if (!given_up_.empty()) return end_given_up();
  const ssize_t count = ::read(child_->output(), space.data(), space.size());
  if (count > 0) {
    delivered_ = true;
    return {ReadKind::data, static_cast<std::size_t>(count), {}};
  }
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return {};
  return run_ended();
}

ReadResult ExecStream::start() {
  auto child = ChildProcess::spawn(command_);
  started_ = Clock::now();
  delivered_ = false;
  if (!child) return schedule_restart(child.error().message);
  child_.emplace(std::move(*child));
  spdlog::debug("source {}: started {} (pid {})", name_, command_.front(), child_->pid());
  return {};
}

ReadResult ExecStream::run_ended() {
  wait_for_end();
  log_errors();
  log_error_lines(true);
  const ExitStatus status = child_->end(std::chrono::milliseconds(0));
  child_.reset();
  if (delivered_ && Clock::now() - started_ >= restart_delay_max_) backoff_.reset();
  return schedule_restart(status.success() ? "" : command_.front() + " " + to_string(status));
}

ReadResult ExecStream::end_given_up() {
  child_->end(grace);
  child_.reset();
  return schedule_restart(std::exchange(given_up_, ""));
}

void ExecStream::give_up(const std::string& reason) { given_up_ = reason; }

std::uint64_t ExecStream::bytes_waiting() const { return child_ ? readable_bytes(child_->output()) : 0; }

ReadResult ExecStream::schedule_restart(std::string error) {
  const std::string how = error.empty() ? command_.front() + " ended" : error;
  if (!restart_) {
    spdlog::log(error.empty() ? spdlog::level::info : spdlog::level::err, "source {}: {}", name_, how);
    return {error.empty() ? ReadKind::ended : ReadKind::failed, 0, std::move(error)};
  }
  const auto delay = backoff_.next();
  next_start_ = Clock::now() + delay;
  spdlog::warn("source {}: {}; starting it again in {}", name_, how, format_duration(delay));
  return {ReadKind::run_ended, 0, std::move(error)};
}

/// The child closed its output: it has `grace` to end, and what it still says is logged meanwhile.
void ExecStream::wait_for_end() {
  const auto deadline = Clock::now() + grace;
  while (Clock::now() < deadline) {
    pollfd fds[2]{{child_->pidfd(), POLLIN, 0}, {child_->errors(), POLLIN, 0}};
    ::poll(fds, 2, milliseconds_until(deadline));
    if (fds[0].revents != 0) return;
    if (fds[1].revents != 0) log_errors();
  }
}

void ExecStream::wait(const StopSignal& stop) {
  if (!child_) {
    pollfd stopped{stop.fd(), POLLIN, 0};
    ::poll(&stopped, 1, milliseconds_until(next_start_));
    return;
  }
  pollfd fds[3]{{stop.fd(), POLLIN, 0}, {child_->output(), POLLIN, 0}, {child_->errors(), POLLIN, 0}};
  ::poll(fds, 3, -1);
  if (fds[2].revents != 0) log_errors();
}

SourceState ExecStream::idle_state() const { return child_ ? SourceState::waiting : SourceState::restarting; }

/// Takes what standard error has now, and logs its whole lines.
void ExecStream::log_errors() {
  char block[4096];
  while (child_->errors() >= 0) {
    const ssize_t count = ::read(child_->errors(), block, sizeof block);
    if (count <= 0) {
      // At its end poll would report it for ever. (EINTR cannot be: a read that does not block is not
      // interrupted.)
      if (count == 0 || errno != EAGAIN) child_->close_errors();
      return;
    }
    error_text_.append(block, static_cast<std::size_t>(count));
    log_error_lines(false);
  }
}

/// Whole lines are logged; `all`: the unfinished one as well. One that is too long is logged in pieces.
void ExecStream::log_error_lines(bool all) {
  std::size_t begin = 0;
  while (begin < error_text_.size()) {
    const std::size_t newline = error_text_.find('\n', begin);
    if (newline == std::string::npos && !all && error_text_.size() - begin < error_line_bytes_max) break;
    const std::size_t end = std::min({newline, begin + error_line_bytes_max, error_text_.size()});
    if (error_limit_.allow()) {
      const std::uint64_t left_out = left_out_limit_.allow() ? error_limit_.take_refused() : 0;
      if (left_out > 0)
        spdlog::warn("source {}: {} more lines on its standard error are left out", name_, left_out);
      spdlog::info("source {}: {}", name_, std::string_view(error_text_).substr(begin, end - begin));
    }
    begin = end == newline ? end + 1 : end;
  }
  error_text_.erase(0, begin);
}

}  // namespace perch::ingest
