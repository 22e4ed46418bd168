// Arena: the shared memory that holds every node of every table.
//
// A memfd, sized once to its reserve and mapped twice: writable for the writer, read-only for the readers in
// this process, so that a reader's wild write faults in the reader. Pages are committed ahead of need with
// fallocate, by a thread of its own (64 MiB take 20 ms): memory that is short is an answer here, not a SIGBUS
// later. The same thread makes huge pages of them when it has nothing else to do.
//
// Sanitizers follow virtual addresses and would see nothing through a second mapping: their builds
// (PERCH_ONE_MAPPING) give readers the writable one.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>

#include "base/joinable_thread.hpp"
#include "base/result.hpp"
#include "base/unique_fd.hpp"
#include "tree/format.hpp"
#include "tree/huge_pages.hpp"

namespace perch::tree {

/// Backs `bytes` of the file from `offset` on with memory, both within the file's size; 0 or an errno. After
/// an error nothing has changed. Called by the writer thread and by the arena's own, never by both at once.
using CommitMemory = std::function<int(int fd, std::uint64_t offset, std::uint64_t bytes)>;

/// fallocate(2).
int commit_with_fallocate(int fd, std::uint64_t offset, std::uint64_t bytes);

/// Thread safety: `need` is for the writer thread; the rest any thread.
class Arena {
 public:
  /// `huge_pages`: whether to make them (see huge_pages.hpp).
  static Result<std::unique_ptr<Arena>> create(std::uint64_t bytes,
                                               CommitMemory commit_memory = commit_with_fallocate,
                                               bool huge_pages = true);
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  std::byte* writable() const noexcept { return writable_; }
  const std::byte* readable() const noexcept { return readable_; }
  ControlPage* control() const noexcept { return reinterpret_cast<ControlPage*>(writable_); }
  std::uint64_t bytes() const noexcept { return bytes_; }
  /// A descriptor for a reader process: it can map the arena, and only to read.
  Result<UniqueFd> open_read_only() const;
  // Relaxed: a number for people, and for the writer, who takes the mutex when it is not enough.
  std::uint64_t committed_bytes() const noexcept { return committed_.load(std::memory_order_relaxed); }
  /// Of the committed bytes, those in huge pages.
  std::uint64_t huge_bytes() const noexcept { return huge_pages_.bytes(); }
  /// Why the system gave no memory the last time it was asked for some (an errno); 0: it did. Relaxed: for
  /// people.
  int commit_error() const noexcept { return commit_error_.load(std::memory_order_relaxed); }

  /// Makes sure that the first `end` bytes are backed by memory; waits for it only when the helper thread
  /// lags behind. False: there is no more memory (see commit_error), or `end` is beyond the reserve.
  bool need(std::uint64_t end);

 private:
  Arena(UniqueFd fd, std::byte* writable, const std::byte* readable, std::uint64_t bytes,
        CommitMemory commit_memory, bool huge_pages);
  void help();
  int commit_first(std::uint64_t end);
  bool commit_to(std::uint64_t end);
  bool commit_exactly_to(std::uint64_t target);

  // Constant after construction.
  const UniqueFd fd_;
  std::byte* const writable_;
  const std::byte* const readable_;
  const std::uint64_t bytes_;
  const CommitMemory commit_memory_;

  HugePages huge_pages_;  // of the helper thread

  // Shared; what is not atomic is read, and everything written, under the mutex.
  std::atomic<std::uint64_t> committed_{0};
  std::atomic<int> commit_error_{0};
  std::mutex mutex_;
  std::condition_variable work_came_;
  std::uint64_t wanted_ = 0;
  bool stopping_ = false;
  JoinableThread helper_;
};

}  // namespace perch::tree
