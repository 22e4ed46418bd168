#include "tree/mapped_arena.hpp"

#include <sys/mman.h>
#include <sys/stat.h>

#include <utility>

#include "base/units.hpp"
#include "tree/huge_pages.hpp"

namespace perch::tree {
namespace {

Result<std::uint64_t> size_of(int fd, const char* what) {
  struct stat status {};
  if (fstat(fd, &status) != 0) return fail_errno(std::string("look at ") + what);
  return static_cast<std::uint64_t>(status.st_size);
}

tl::unexpected<Error> other_format(const char* what, std::uint32_t theirs, std::uint32_t ours) {
  return fail(ErrorKind::incompatible, std::string("the host's ") + what + " has format " +
                                           std::to_string(theirs) + ", this program knows format " +
                                           std::to_string(ours) + ": use one of the same build");
}

}  // namespace

Result<MappedArena> MappedArena::map(int arena, int slot_page) {
  const auto bytes = size_of(arena, "the host's arena");
  if (!bytes) return fail(bytes.error());
  const auto page_bytes = size_of(slot_page, "the slot page");
  if (!page_bytes) return fail(page_bytes.error());
  if (*bytes < sizeof(ControlPage) || *page_bytes != sizeof(SlotPage))
    return fail(ErrorKind::incompatible, "these descriptors are no arena and slot page of this format");

  void* const base = map_for_huge_pages(*bytes, PROT_READ, arena);
  if (base == MAP_FAILED) return fail_errno("map the host's arena of " + format_size(*bytes));
  void* const page = mmap(nullptr, sizeof(SlotPage), PROT_READ | PROT_WRITE, MAP_SHARED, slot_page, 0);
  if (page == MAP_FAILED) {
    const auto error = fail_errno("map the slot page");
    munmap(base, *bytes);
    return error;
  }
  MappedArena mapped(static_cast<const std::byte*>(base), *bytes, static_cast<SlotPage*>(page));
  // A refusal would only leave the child more than it should have.
  madvise(base, *bytes, MADV_DONTFORK);
  madvise(page, sizeof(SlotPage), MADV_DONTFORK);
  const auto& control = *static_cast<const ControlPage*>(base);
  if (control.magic != arena_magic) return fail(ErrorKind::incompatible, "this is no arena of a host");
  if (control.format != arena_format) return other_format("arena", control.format, arena_format);
  if (mapped.slot_page_->magic != slot_page_magic || mapped.slot_page_->format != slot_page_format)
    return other_format("slot page", mapped.slot_page_->format, slot_page_format);
  return mapped;
}

MappedArena::MappedArena(MappedArena&& other) noexcept
    : base_(std::exchange(other.base_, nullptr)),
      bytes_(other.bytes_),
      slot_page_(std::exchange(other.slot_page_, nullptr)) {}

MappedArena::~MappedArena() {
  if (base_ == nullptr) return;
  munmap(const_cast<std::byte*>(base_), bytes_);
  munmap(slot_page_, sizeof(SlotPage));
}

}  // namespace perch::tree
