#include "tree/slot_pages.hpp"

#include <fcntl.h>
#include <sys/mman.h>

#include <algorithm>
#include <new>

namespace perch::tree {

SlotPages::~SlotPages() {
  for (const Page& page : pages_) munmap(page.memory, sizeof(SlotPage));
}

Result<SlotPages::Attached> SlotPages::attach() {
  UniqueFd fd(memfd_create("perch-slots", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd) return fail_errno("make a reader process's slot page (memfd_create)");
  if (ftruncate(fd.get(), sizeof(SlotPage)) != 0) return fail_errno("size a reader process's slot page");
  // Its memory now: the host's own look at a page must never be refused memory (SIGBUS).
  if (fallocate(fd.get(), 0, 0, sizeof(SlotPage)) != 0) return fail_errno("memory for a slot page");
  if (fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
    return fail_errno("seal a slot page");
  void* const memory = mmap(nullptr, sizeof(SlotPage), PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  if (memory == MAP_FAILED) return fail_errno("map a slot page");
  auto* const page = new (memory) SlotPage{};
  page->magic = slot_page_magic;
  page->format = slot_page_format;
  // The host's for good, handed over or not: who claims finds it taken.
  page->pins.slots[SlotPage::handed_slot].claimed.store(1, std::memory_order_relaxed);
  page->pins.used.store(SlotPage::handed_slot + 1, std::memory_order_relaxed);
  const std::lock_guard lock(mutex_);
  pages_.push_back({++last_id_, page});
  count_.store(pages_.size(), std::memory_order_relaxed);
  return Attached{last_id_, std::move(fd)};
}

void SlotPages::detach(SlotPageId id) {
  const std::lock_guard lock(mutex_);
  const auto found =
      std::find_if(pages_.begin(), pages_.end(), [id](const Page& page) { return page.id == id; });
  if (found == pages_.end()) return;
  munmap(found->memory, sizeof(SlotPage));
  pages_.erase(found);
  count_.store(pages_.size(), std::memory_order_relaxed);
}

bool SlotPages::has_sleepers() const noexcept {
  if (count_.load(std::memory_order_relaxed) == 0) return false;
  const std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock) return true;  // perhaps: a needless wake costs little
  // Sequentially consistent: see ReadSide::wait_for_signal.
  return std::any_of(pages_.begin(), pages_.end(), [](const Page& page) {
    return page.memory->sleepers.load(std::memory_order_seq_cst) > 0;
  });
}

const SlotPages::Page* SlotPages::find(SlotPageId id) const noexcept {
  const auto found =
      std::find_if(pages_.begin(), pages_.end(), [id](const Page& page) { return page.id == id; });
  return found == pages_.end() ? nullptr : &*found;
}

std::vector<std::uint64_t> SlotPages::pins(SlotPageId id) const {
  std::vector<std::uint64_t> words;
  const std::lock_guard lock(mutex_);
  if (const Page* const page = find(id))
    page->memory->pins.scan([&](std::uint64_t word) { words.push_back(word); });
  std::sort(words.begin(), words.end());
  words.erase(std::unique(words.begin(), words.end()), words.end());
  return words;
}

bool SlotPages::take_over(SlotPageId id, std::uint64_t word, PinProtocol<HostAtomics>::Slot& slot) const {
  const std::lock_guard lock(mutex_);
  const Page* const page = find(id);
  return page != nullptr && page->memory->pins.copy_pin(word, slot);
}

bool SlotPages::hand_over(SlotPageId id, std::uint64_t word) {
  const std::lock_guard lock(mutex_);
  const Page* const page = find(id);
  if (page == nullptr) return false;
  page->memory->pins.slots[SlotPage::handed_slot].word.store(word, HostAtomics::pin_store);
  return true;
}

std::optional<Version> version_of_word(std::uint64_t word, Version published) noexcept {
  const std::uint32_t age = static_cast<std::uint32_t>(published) - word_version_low(word);
  if (age > published) return std::nullopt;
  return published - age;
}

}  // namespace perch::tree
