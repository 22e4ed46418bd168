#include "tree/huge_pages.hpp"

#include <sys/mman.h>

#include <cerrno>

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25  // newer than the C library's headers; in the kernel's <asm-generic/mman-common.h>
#endif

namespace perch::tree {

void* map_for_huge_pages(std::uint64_t bytes, int protection, int fd) noexcept {
  // An address range with a huge page to spare, of which the aligned part is used and the rest given back.
  void* const reserved =
      mmap(nullptr, bytes + huge_page_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (reserved == MAP_FAILED) return MAP_FAILED;
  auto* const begin = static_cast<std::byte*>(reserved);
  const std::uint64_t before = -reinterpret_cast<std::uintptr_t>(begin) % huge_page_bytes;
  if (before > 0) munmap(begin, before);
  munmap(begin + before + bytes, huge_page_bytes - before);
  void* const mapped = mmap(begin + before, bytes, protection, MAP_SHARED | MAP_NORESERVE | MAP_FIXED, fd, 0);
  if (mapped == MAP_FAILED) {
    const int error = errno;
    munmap(begin + before, bytes);
    errno = error;
  }
  return mapped;
}

void HugePages::step() noexcept {
  if (madvise(start_ + next_, huge_page_bytes, MADV_COLLAPSE) == 0) {
    huge_bytes_.fetch_add(huge_page_bytes, std::memory_order_relaxed);
    refusals_ = 0;
  } else {
    // EINVAL: an older kernel, or one without huge pages. Anything else (no huge page to be had, pages in use
    // elsewhere) may be different for the next.
    refusals_ = errno == EINVAL ? refusals_ + 1 : 0;
  }
  next_ += huge_page_bytes;
}

}  // namespace perch::tree
