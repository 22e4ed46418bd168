#include "instances/reader_processes.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <nlohmann/json.hpp>

#include "base/assert.hpp"
#include "base/log.hpp"
#include "base/units.hpp"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77  // Linux 6.5; newer than the C library's headers
#endif

namespace perch::instances {
namespace {

/// What a process gets to mend its ways once it was warned.
constexpr auto grace = std::chrono::seconds(1);

bool is_readable(int fd) {
  pollfd look{fd, POLLIN, 0};
  return ::poll(&look, 1, 0) > 0;
}

Result<void> check_may_signal(const ProcessHandle& handle) {
  if (syscall(SYS_pidfd_send_signal, handle.pidfd.get(), 0, nullptr, 0) == 0) return {};
  if (errno == EPERM) {
    return fail(
        ErrorKind::refused,
        "process " + std::to_string(handle.pid) +
            " belongs to another user: this host could not end it if it held back too much, so it may "
            "not map the tree. Read through table.get and table.scan, or run it as the host's user");
  }
  return fail_errno("signal process " + std::to_string(handle.pid));
}

}  // namespace

Result<ProcessHandle> ProcessHandle::of_peer(int socket) {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0)
    return fail_errno("ask who is at the other end of a socket");
  if (credentials.pid <= 0) {
    return fail(ErrorKind::refused, "a process of another process namespace cannot be told from others here");
  }
  ProcessHandle handle{credentials.pid, {}};
  int pidfd = -1;
  size = sizeof pidfd;
  if (getsockopt(socket, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &size) != 0) {
    // An older kernel: by its number, which is still its own if it has not hung up by then.
    pidfd = static_cast<int>(syscall(SYS_pidfd_open, credentials.pid, 0));
    pollfd look{socket, 0, 0};
    if (pidfd >= 0 && ::poll(&look, 1, 0) > 0) {
      ::close(pidfd);
      return fail("the process has gone");
    }
  }
  if (pidfd < 0) return fail_errno("a descriptor of process " + std::to_string(credentials.pid));
  handle.pidfd.reset(pidfd);
  if (auto may = check_may_signal(handle); !may) return fail(may.error());
  return handle;
}

Result<ProcessHandle> ProcessHandle::of_child(pid_t pid) {
  ProcessHandle handle{pid, UniqueFd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)))};
  if (!handle.pidfd) return fail_errno("a descriptor of process " + std::to_string(pid));
  return handle;
}

bool ProcessHandle::has_ended() const { return is_readable(pidfd.get()); }

void ProcessHandle::kill() const {
  // It may have ended: all the same.
  syscall(SYS_pidfd_send_signal, pidfd.get(), SIGKILL, nullptr, 0);
}

ReaderProcesses::ReaderProcesses(tree::ReadSide& reads, EventHub& events,
                                 std::function<Result<UniqueFd>()> open_arena)
    : reads_(reads), events_(events), open_arena_(std::move(open_arena)) {}

ReaderProcesses::~ReaderProcesses() {
  PERCH_ASSERT(processes_.empty(), "a process's attachment outlives the list of them");
}

ReaderProcesses::Attachment::~Attachment() {
  if (owner_ != nullptr) owner_->detach(page_);
}

Result<ReaderProcesses::Attached> ReaderProcesses::attach(ProcessHandle process, const std::string& name,
                                                          std::uint64_t generation) {
  Attached attached;
  auto arena = open_arena_();
  if (!arena) return fail(arena.error());
  attached.arena = std::move(*arena);
  const std::lock_guard lock(mutex_);
  if (processes_.size() >= processes_max) {
    return fail(ErrorKind::exhausted, std::to_string(processes_max) + " processes read here already");
  }
  auto page = reads_.processes().attach();
  if (!page) return fail(page.error());
  attached.slot_page = std::move(page->fd);
  attached.attachment.owner_ = this;
  attached.attachment.page_ = page->id;
  attached.attachment.pidfd_ = process.pidfd.get();
  Process& entry = processes_[page->id];
  entry.name = generation > 0 ? name : name + ":" + std::to_string(process.pid);
  entry.generation = generation;
  entry.handle = std::move(process);
  entry.attached_ns = unix_now_ns();
  if (generation == 0) publish("client.attached", entry, "");
  return attached;
}

void ReaderProcesses::detach(tree::SlotPageId page) {
  Process gone;
  {
    const std::lock_guard lock(mutex_);
    reads_.processes().detach(page);
    const auto found = processes_.find(page);
    gone = std::move(found->second);
    processes_.erase(found);
  }
  if (gone.generation == 0) publish("client.gone", gone, gone.is_killed ? "killed" : "");
}

void ReaderProcesses::add_pins(std::vector<PinHolder>& pins) const {
  const auto now = Clock::now();
  const tree::Version published = reads_.published_version();
  const std::lock_guard lock(mutex_);
  for (auto& [page, process] : processes_) {
    std::map<std::uint64_t, Clock::time_point> since;
    for (const std::uint64_t word : reads_.processes().pins(page)) {
      const auto version = tree::version_of_word(word, published);
      if (!version) continue;
      const auto known = process.pinned_since.find(word);
      const auto from = known != process.pinned_since.end() ? known->second : now;
      since[word] = from;
      pins.push_back({process.name, process.generation, what_of(process), *version, now - from});
    }
    process.pinned_since = std::move(since);
  }
}

std::vector<ProcessStatus> ReaderProcesses::processes() const {
  std::vector<ProcessStatus> list;
  const tree::Version published = reads_.published_version();
  const std::lock_guard lock(mutex_);
  for (const auto& [page, process] : processes_) {
    ProcessStatus status{process.name, process.handle.pid, process.generation > 0, process.attached_ns, {}};
    for (const std::uint64_t word : reads_.processes().pins(page)) {
      if (const auto version = tree::version_of_word(word, published)) status.versions.push_back(*version);
    }
    list.push_back(std::move(status));
  }
  return list;
}

std::string ReaderProcesses::what_of(const Process& process) {
  return "process " + std::to_string(process.handle.pid);
}

/// What hangs on the versions that the process itself pins; its reader's checkpoint is the host's.
std::uint64_t ReaderProcesses::bytes_of(const Process& process, const std::vector<PinnedVersion>& versions) {
  const std::string what = what_of(process);
  std::uint64_t bytes = 0;
  for (const PinnedVersion& version : versions) {
    const auto is_its = [&](const PinHolder& holder) {
      return holder.reader == process.name && holder.what == what;
    };
    if (std::any_of(version.holders.begin(), version.holders.end(), is_its)) bytes += version.bytes;
  }
  return bytes;
}

void ReaderProcesses::enforce(const std::vector<PinnedVersion>& versions, std::uint64_t bytes_max) {
  if (bytes_max == 0) return;
  const auto now = Clock::now();
  const std::lock_guard lock(mutex_);
  for (auto& [page, process] : processes_) {
    const std::uint64_t bytes = bytes_of(process, versions);
    if (bytes <= bytes_max) {
      process.over_since = {};
      continue;
    }
    const std::string holds = what_of(process) + " holds back " + format_size(bytes) + ", more than the " +
                              format_size(bytes_max) + " of readers.retain_max";
    if (process.over_since == Clock::time_point{}) {
      process.over_since = now;
      spdlog::warn("reader {}: {}; it will be killed in {} unless it gives versions up", process.name, holds,
                   format_duration(grace));
      publish("reader.retains", process, holds);
    } else if (now - process.over_since >= grace && !process.is_killed) {
      process.is_killed = true;
      process.handle.kill();
      spdlog::error("reader {}: {}, and was killed for it", process.name, holds);
      publish("reader.killed", process, holds);
    }
  }
}

void ReaderProcesses::publish(const char* kind, const Process& process, const std::string& cause) const {
  nlohmann::json details{{"pid", process.handle.pid}};
  if (!cause.empty()) details["cause"] = cause;
  Event event;
  event.kind = kind;
  event.reader = process.name;
  event.generation = process.generation;
  event.json = details.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  spdlog::debug("{} {} {}", kind, process.name, event.json);
  events_.publish(std::move(event));
}

}  // namespace perch::instances
