#include "tree/arena.hpp"

#include <fcntl.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <new>

#include "base/units.hpp"
#include "tree/allocator.hpp"

namespace perch::tree {
namespace {

// Committed at a time, and kept ready beyond what is used: large enough that the helper is ahead of a writer
// at full speed (about 1 GiB/s of new nodes), small enough that a small host stays small.
constexpr std::uint64_t step_bytes_min = std::uint64_t{4} << 20;
constexpr std::uint64_t step_bytes_max = std::uint64_t{64} << 20;

std::uint64_t step_bytes(std::uint64_t committed) {
  return std::clamp(committed / 4, step_bytes_min, step_bytes_max);
}

/// The system has no memory: how long the helper leaves it alone.
constexpr std::chrono::milliseconds retry_delay{100};

/// A signal that keeps on interrupting must not keep the writer for ever.
constexpr int interruptions_max = 100;

}  // namespace

int commit_with_fallocate(int fd, std::uint64_t offset, std::uint64_t bytes) {
  return fallocate(fd, 0, static_cast<off_t>(offset), static_cast<off_t>(bytes)) == 0 ? 0 : errno;
}

Result<std::unique_ptr<Arena>> Arena::create(std::uint64_t bytes, CommitMemory commit_memory,
                                             bool huge_pages) {
  constexpr std::uint64_t bytes_max = std::uint64_t{256} << 30;
  bytes = (bytes + slab_bytes - 1) / slab_bytes * slab_bytes;
  if (bytes < 4 * slab_bytes || bytes > bytes_max) {
    return fail(ErrorKind::usage,
                "an arena of " + format_size(bytes) + " is not possible: it takes 1 MiB to 256 GiB");
  }
  UniqueFd fd(memfd_create("perch-arena", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd) return fail_errno("create the arena's shared memory (memfd_create)");
  if (ftruncate(fd.get(), static_cast<off_t>(bytes)) != 0)
    return fail_errno("size the arena to " + format_size(bytes));

  void* const writable = map_for_huge_pages(bytes, PROT_READ | PROT_WRITE, fd.get());
  if (writable == MAP_FAILED) return fail_errno("map the arena of " + format_size(bytes));
  // From here on nobody can shrink the file under the mappings or map it writable once more, and the
  // read-only mapping below cannot be made writable. fallocate still works. See memfd_create(2), F_ADD_SEALS
  // in fcntl(2).
  if (fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL) != 0) {
    const auto error = fail_errno("seal the arena");
    munmap(writable, bytes);
    return error;
  }
#ifdef PERCH_ONE_MAPPING
  const void* const readable = writable;
#else
  const void* const readable = map_for_huge_pages(bytes, PROT_READ, fd.get());
  if (readable == MAP_FAILED) {
    const auto error = fail_errno("map the arena read-only");
    munmap(writable, bytes);
    return error;
  }
#endif
  std::unique_ptr<Arena> arena(new Arena(std::move(fd), static_cast<std::byte*>(writable),
                                         static_cast<const std::byte*>(readable), bytes,
                                         std::move(commit_memory), huge_pages));
  if (auto started = arena->helper_.start("arena", [a = arena.get()] { a->help(); }); !started)
    return fail(started.error());
  if (const int error = arena->commit_first(std::min(bytes, step_bytes_min)); error != 0) {
    return fail(ErrorKind::exhausted, "there is no memory for the arena's first " +
                                          format_size(step_bytes_min) + ": " + std::strerror(error));
  }
  ControlPage* const control = new (arena->writable_) ControlPage{};
  control->magic = arena_magic;
  control->format = arena_format;
  return arena;
}

Arena::Arena(UniqueFd fd, std::byte* writable, const std::byte* readable, std::uint64_t bytes,
             CommitMemory commit_memory, bool huge_pages)
    : fd_(std::move(fd)),
      writable_(writable),
      readable_(readable),
      bytes_(bytes),
      commit_memory_(std::move(commit_memory)),
      huge_pages_(writable, huge_pages) {}

Arena::~Arena() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  work_came_.notify_one();
  helper_.join();
  if (readable_ != writable_) munmap(const_cast<std::byte*>(readable_), bytes_);
  munmap(writable_, bytes_);
}

Result<UniqueFd> Arena::open_read_only() const {
  const std::string path = "/proc/self/fd/" + std::to_string(fd_.get());
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return fail_errno("open the arena read-only for a reader process (it takes /proc)");
  return fd;
}

/// 0 or why not (an errno).
int Arena::commit_first(std::uint64_t end) {
  const std::lock_guard lock(mutex_);
  if (!commit_to(end)) return commit_error();
  work_came_.notify_one();
  return 0;
}

bool Arena::need(std::uint64_t end) {
  if (end > bytes_) return false;
  const std::uint64_t committed = committed_bytes();
  const std::uint64_t ahead = std::min(bytes_, end + step_bytes(committed));
  if (ahead <= committed) return true;
  // The helper holds the mutex through its fallocate. Who has enough does not wait for that, but asks again
  // next time.
  std::unique_lock lock(mutex_, std::defer_lock);
  if (end > committed) {
    lock.lock();
  } else if (!lock.try_lock()) {
    return true;
  }
  if (ahead > wanted_) {
    wanted_ = ahead;
    work_came_.notify_one();
  }
  return end <= committed_bytes() || commit_to(end);
}

/// Called with the mutex held: the writer waits for the helper's step in flight rather than doing it twice.
/// When there is no memory for a whole step there may still be enough for what is needed.
bool Arena::commit_to(std::uint64_t end) {
  const std::uint64_t committed = committed_bytes();
  const std::uint64_t target = std::min(bytes_, std::max(end, committed + step_bytes(committed)));
  return commit_exactly_to(target) || (end < target && commit_exactly_to(end));
}

bool Arena::commit_exactly_to(std::uint64_t target) {
  const std::uint64_t committed = committed_bytes();
  int error = EINTR;
  for (int interruptions = 0; error == EINTR && interruptions < interruptions_max; ++interruptions)
    error = commit_memory_(fd_.get(), committed, target - committed);
  commit_error_.store(error, std::memory_order_relaxed);
  if (error != 0) return false;
  // Read by the writer without the mutex: its own page tables, no data.
  committed_.store(target, std::memory_order_relaxed);
  return true;
}

void Arena::help() {
  std::unique_lock lock(mutex_);
  for (;;) {
    work_came_.wait(lock, [this] {
      return stopping_ || wanted_ > committed_bytes() || huge_pages_.has_work(committed_bytes());
    });
    if (stopping_) return;
    if (wanted_ > committed_bytes()) {
      if (commit_to(std::min(bytes_, committed_bytes() + slab_bytes))) continue;
      // Without memory: not again until the writer asks for more, which it does with every row, and not at
      // once. Who needs it now asks the system itself, and says so when that fails.
      wanted_ = committed_bytes();
      work_came_.wait_for(lock, retry_delay, [this] { return stopping_; });
    } else {
      lock.unlock();  // the writer may commit meanwhile
      huge_pages_.step();
      lock.lock();
    }
  }
}

}  // namespace perch::tree
