// Huge pages for a shared mapping: 2 MiB behind one entry of the translation cache instead of 512.
//
// Random access to a large tree misses that cache with nearly every node. Shared memory gets huge pages by
// itself only where an administrator allows it, but MADV_COLLAPSE (Linux 6.1, madvise(2)) makes them of pages
// that are there already, whatever the system's setting: it copies them into a huge one while everyone goes
// on reading and writing. That takes milliseconds for each, so it is a job for a thread that nobody waits
// for.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace perch::tree {

inline constexpr std::uint64_t huge_page_bytes = std::uint64_t{2} << 20;

/// mmap(2) of the file's first `bytes`, shared, at an address that is a multiple of huge_page_bytes: without
/// that the kernel maps small pages even of a huge one. MAP_FAILED and errno on failure; munmap as usual.
void* map_for_huge_pages(std::uint64_t bytes, int protection, int fd) noexcept;

/// Collapses a mapping's pages into huge ones, from its start on, as far as memory is there. What cannot be
/// had stays in small pages: slower, nothing else.
///
/// Thread safety: `step` and `has_work` for one thread at a time; `bytes` for any.
class HugePages {
 public:
  /// `start`: from map_for_huge_pages; it outlives this. Not `wanted`: there is never any work.
  explicit HugePages(std::byte* start, bool wanted = true) noexcept
      : start_(start), refusals_(wanted ? 0 : refusals_max) {}

  /// Whether a whole huge page among the first `committed` bytes waits for its step.
  bool has_work(std::uint64_t committed) const noexcept {
    return refusals_ < refusals_max && next_ + huge_page_bytes <= committed;
  }
  /// Tries the next one; takes milliseconds.
  void step() noexcept;

  /// In huge pages so far. Relaxed: a number for people.
  std::uint64_t bytes() const noexcept { return huge_bytes_.load(std::memory_order_relaxed); }

 private:
  /// So many times in a row "that cannot be done here": it never will.
  static constexpr int refusals_max = 4;

  std::byte* const start_;
  std::uint64_t next_ = 0;
  int refusals_;
  std::atomic<std::uint64_t> huge_bytes_{0};
};

}  // namespace perch::tree
