#include "instances/worker_process.hpp"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <fstream>
#include <utility>

namespace perch::instances {
namespace {

constexpr int channel_fd = 3;  // as perch-worker expects it

std::string words_of(const ExitStatus& status) {
  if (status.signal == 0) return "its process exited with status " + std::to_string(status.code);
  const char* const name = sigabbrev_np(status.signal);
  return std::string("its process died of SIG") + (name != nullptr ? name : "?") +
         (status.dumped_core ? " (core dumped)" : "");
}

}  // namespace

Result<std::unique_ptr<WorkerProcess>> WorkerProcess::start(const std::filesystem::path& program,
                                                            const std::string& reader) {
  auto sockets = isolation::Channel::make_sockets();
  if (!sockets) return fail(sockets.error());
  ProcessSpec spec;
  spec.program = program.string();
  spec.arguments = {"perch-worker", reader};
  spec.descriptors = {
      {STDOUT_FILENO, STDOUT_FILENO}, {STDERR_FILENO, STDERR_FILENO}, {sockets->second.get(), channel_fd}};
  auto process = Process::start(spec);
  if (!process) return fail(process.error());
  return std::unique_ptr<WorkerProcess>(new WorkerProcess(std::move(*process), std::move(sockets->first)));
}

WorkerProcess::WorkerProcess(Process process, UniqueFd channel) noexcept
    : process_(std::move(process)), channel_(std::move(channel)) {}

void WorkerProcess::kill() const noexcept { process_.signal(SIGKILL); }

WorkerProcess::End WorkerProcess::reap() {
  const ExitStatus status = process_.reap();
  return {status.success(), words_of(status)};
}

std::uint64_t WorkerProcess::memory_bytes() const {
  constexpr int data_field = 5;  // proc(5), statm
  std::ifstream file("/proc/" + std::to_string(pid()) + "/statm");
  std::uint64_t pages = 0;
  for (int field = 0; field <= data_field; ++field) file >> pages;
  return file ? pages * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE)) : 0;
}

}  // namespace perch::instances
