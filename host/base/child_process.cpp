#include "base/child_process.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <utility>

#include "base/assert.hpp"

namespace perch {
namespace {

struct Pipe {
  UniqueFd read;
  UniqueFd write;
};

Result<Pipe> make_pipe() {
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC) != 0) return fail_errno("make a pipe");
  return Pipe{UniqueFd(fds[0]), UniqueFd(fds[1])};
}

void set_non_blocking(int fd) noexcept { ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK); }

constexpr int pipe_bytes = 1 << 20;  // a burst is taken over at once; the kernel's limit for users

}  // namespace

Result<ChildProcess> ChildProcess::spawn(const std::vector<std::string>& command) {
  PERCH_ASSERT(!command.empty(), "a command without a program");
  auto output = make_pipe();
  auto errors = make_pipe();
  if (!output || !errors) return fail("start " + command[0] + ": no file descriptors left");
  ProcessSpec spec;
  spec.program = command[0];
  spec.arguments = command;
  spec.descriptors = {{output->write.get(), STDOUT_FILENO}, {errors->write.get(), STDERR_FILENO}};
  spec.ends_with_thread = true;
  auto process = Process::start(spec);
  if (!process) return fail(process.error());
  set_non_blocking(output->read.get());
  set_non_blocking(errors->read.get());
  ::fcntl(output->read.get(), F_SETPIPE_SZ, pipe_bytes);
  return ChildProcess(std::move(*process), std::move(output->read), std::move(errors->read));
}

ChildProcess::ChildProcess(Process process, UniqueFd output, UniqueFd errors) noexcept
    : process_(std::move(process)), output_(std::move(output)), errors_(std::move(errors)) {}

ExitStatus ChildProcess::end(std::chrono::milliseconds grace) {
  process_.signal_group(SIGTERM);
  process_.has_ended(grace);
  return process_.reap();
}

}  // namespace perch
