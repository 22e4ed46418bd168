// ReaderProcesses: the processes that read the tree, workers and those that nobody loaded: what each of them
// pins, and the end of those that hold back too much.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/unique_fd.hpp"
#include "instances/event_hub.hpp"
#include "instances/pinned_versions.hpp"
#include "tree/pins.hpp"

namespace perch::instances {

/// A process, by a descriptor: a number may be another process's by the time it is used (pidfd_open(2)).
struct ProcessHandle {
  pid_t pid = 0;
  UniqueFd pidfd;

  /// The process at the other end of a connected AF_UNIX socket, as of when it connected. Errors: it is gone,
  /// or this process may not signal it, and so could not end it.
  static Result<ProcessHandle> of_peer(int socket);
  static Result<ProcessHandle> of_child(pid_t pid);
  /// Whether it has ended.
  bool has_ended() const;
  void kill() const;
};

struct ProcessStatus {
  std::string name;
  pid_t pid = 0;
  bool is_worker = false;
  std::int64_t attached_ns = 0;  ///< since 1970 UTC
  std::vector<tree::Version> versions;
};

/// Thread safe.
class ReaderProcesses {
 public:
  /// At most so many at once.
  static constexpr std::size_t processes_max = 4096;

  /// `open_arena`: a read-only descriptor of the arena; any thread. All outlive this, and this its
  /// attachments.
  ReaderProcesses(tree::ReadSide& reads, EventHub& events, std::function<Result<UniqueFd>()> open_arena);
  ~ReaderProcesses();

  /// From here on until it ends the process may have pins.
  class Attachment {
   public:
    Attachment() = default;
    Attachment(Attachment&& other) noexcept { swap(other); }
    Attachment& operator=(Attachment&& other) noexcept {
      Attachment(std::move(other)).swap(*this);
      return *this;
    }
    ~Attachment();

    explicit operator bool() const noexcept { return owner_ != nullptr; }
    tree::SlotPageId page() const noexcept { return page_; }
    int pidfd() const noexcept { return pidfd_; }  ///< readable once the process has ended

   private:
    friend class ReaderProcesses;
    void swap(Attachment& other) noexcept {
      std::swap(owner_, other.owner_);
      std::swap(page_, other.page_);
      std::swap(pidfd_, other.pidfd_);
    }
    ReaderProcesses* owner_ = nullptr;
    tree::SlotPageId page_ = 0;
    int pidfd_ = -1;
  };
  struct Attached {
    Attachment attachment;
    UniqueFd arena;      ///< for the process
    UniqueFd slot_page;  ///< for the process
  };
  /// `name`: a reader's, for a worker (`generation` > 0).
  Result<Attached> attach(ProcessHandle process, const std::string& name, std::uint64_t generation);

  void add_pins(std::vector<PinHolder>& pins) const;
  std::vector<ProcessStatus> processes() const;
  /// [watchdog] Kills those that have held back more than `bytes_max` for a second; 0: none.
  void enforce(const std::vector<PinnedVersion>& versions, std::uint64_t bytes_max);

 private:
  using Clock = std::chrono::steady_clock;
  struct Process {
    std::string name;
    std::uint64_t generation = 0;
    ProcessHandle handle;
    std::int64_t attached_ns = 0;
    std::map<std::uint64_t, Clock::time_point> pinned_since;  // by word, as of the last look
    Clock::time_point over_since{};                           // epoch: it is not over the limit
    bool is_killed = false;
  };

  static std::string what_of(const Process& process);
  static std::uint64_t bytes_of(const Process& process, const std::vector<PinnedVersion>& versions);
  void detach(tree::SlotPageId page);
  void publish(const char* kind, const Process& process, const std::string& cause) const;

  tree::ReadSide& reads_;
  EventHub& events_;
  const std::function<Result<UniqueFd>()> open_arena_;
  mutable std::mutex mutex_;  // guards what follows
  mutable std::map<tree::SlotPageId, Process> processes_;
};

}  // namespace perch::instances
