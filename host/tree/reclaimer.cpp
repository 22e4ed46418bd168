#include "tree/reclaimer.hpp"

#include <algorithm>
#include <chrono>

#include "base/assert.hpp"

namespace perch::tree {

// ---- DroppedChunks
// ------------------------------------------------------------------------------------------------

void DroppedChunks::add_chunk(List& list) {
  Chunk* chunk;
  if (spare_.empty()) {
    chunks_.push_back(std::make_unique<Chunk>());
    spare_.reserve(chunks_.capacity());  // so that giving back never allocates
    chunk = chunks_.back().get();
  } else {
    chunk = spare_.back();
    spare_.pop_back();
    chunk->begin = chunk->end = 0;
    chunk->next = nullptr;
  }
  (list.last == nullptr ? list.first : list.last->next) = chunk;
  list.last = chunk;
}

/// The first one, which is used up.
void DroppedChunks::remove_chunk(List& list) {
  Chunk* const chunk = list.first;
  list.first = chunk->next;
  if (list.first == nullptr) list.last = nullptr;
  spare_.push_back(chunk);
}

void DroppedChunks::splice(List& to, List& from) {
  if (from.first == nullptr) return;
  (to.last == nullptr ? to.first : to.last->next) = from.first;
  to.last = from.last;
  to.count += from.count;
  to.units += from.units;
  from = List{};
}

// ---- Reclaimer
// ----------------------------------------------------------------------------------------------------

void Reclaimer::look_at_pins(Version published, const ReadSide& reads) {
  words_.clear();
  const auto begin = std::chrono::steady_clock::now();
  if (!reads.scan(words_)) return;
  look_ns_ = std::chrono::nanoseconds(std::chrono::steady_clock::now() - begin).count();
  looked_at_ = published;
  std::sort(words_.begin(), words_.end());
  words_.erase(std::unique(words_.begin(), words_.end()), words_.end());
  if (words_ == words_before_) return;

  // A word has its version's low 32 bits only. A word seen before keeps its version; a new one is younger
  // than the last scan, so its age is far below 2^32 versions.
  before_.swap(pinned_);
  pinned_.clear();
  std::sort(before_.begin(), before_.end(), [](const Pinned& a, const Pinned& b) { return a.word < b.word; });
  for (const std::uint64_t word : words_) {
    const auto known =
        std::lower_bound(before_.begin(), before_.end(), word,
                         [](const Pinned& pinned, std::uint64_t w) { return pinned.word < w; });
    if (known != before_.end() && known->word == word) {
      pinned_.push_back(*known);
      known->blocked = DroppedChunks::List{};
      continue;
    }
    // A reader between its two loads may show a word long gone; it will see so itself and retry. Such a word,
    // when it looks younger than what is published, pins nothing.
    if (const auto version = version_of_word(word, published)) pinned_.push_back({word, *version, {}});
  }
  for (Pinned& gone : before_) DroppedChunks::splice(again_, gone.blocked);
  std::sort(pinned_.begin(), pinned_.end(),
            [](const Pinned& a, const Pinned& b) { return a.version < b.version; });
  words_before_ = words_;
}

/// True when the block is free; else it now hangs on the newest pinned version that sees it.
bool Reclaimer::judge(const DroppedBlock& block) {
  const auto newest = Pins::newest_that_sees(pinned_.begin(), pinned_.end(), block.birth, block.death,
                                             [](const Pinned& pinned) { return pinned.version; });
  if (newest == pinned_.end()) return true;
  chunks_.push(newest->blocked, block);
  return false;
}

std::uint64_t Reclaimer::retained_units() const noexcept {
  std::uint64_t units = dropped_.units + again_.units;
  for (const Pinned& pinned : pinned_) units += pinned.blocked.units;
  return units;
}

void Reclaimer::publish_accounting() {
  // Relaxed throughout: numbers for people, each right by itself.
  const std::size_t count = std::min(pinned_.size(), shown_max);
  for (std::size_t i = 0; i < count; ++i) {
    shown_[i].version.store(pinned_[i].version, std::memory_order_relaxed);
    shown_[i].bytes.store(pinned_[i].blocked.units * unit_bytes, std::memory_order_relaxed);
  }
  shown_count_.store(count, std::memory_order_relaxed);
}

std::vector<RetainedVersion> Reclaimer::retained_versions() const {
  std::vector<RetainedVersion> versions;
  const std::size_t count = shown_count_.load(std::memory_order_relaxed);
  for (std::size_t i = 0; i < count; ++i) {
    versions.push_back(
        {shown_[i].version.load(std::memory_order_relaxed), shown_[i].bytes.load(std::memory_order_relaxed)});
  }
  return versions;
}

}  // namespace perch::tree
