#include "readers/retired_generations.hpp"

#include <algorithm>
#include <utility>

#include "base/assert.hpp"
#include "base/log.hpp"
#include "base/units.hpp"

namespace perch::readers {
namespace {

constexpr std::size_t notes_max = 256;
constexpr std::size_t notes_per_reader_max = 16;

}  // namespace

void RetiredGenerations::request_end(const Generation& generation) {
  if (generation.instance) generation.instance->request_end();
}

bool RetiredGenerations::end_instance(Generation& generation, const std::string& reader) {
  return end_instance(generation, reader, deadline_);
}

bool RetiredGenerations::end_instance(Generation& generation, const std::string& reader,
                                      std::chrono::nanoseconds wait) {
  if (!generation.instance) return true;
  request_end(generation);
  if (generation.instance->wait_ended(wait)) {
    generation.instance.reset();
    return true;
  }
  const std::uint64_t number = generation.plugin->generation();
  const std::string text = "generation " + std::to_string(number) + " did not end within " +
                           format_duration(wait) + ": it stays loaded until its callback returns";
  spdlog::error("reader {}: {}", reader, text);
  add_note(reader, number, text);
  hung_.push_back({std::exchange(generation, {}), reader});
  return false;
}

std::string RetiredGenerations::retire(Generation generation, const std::string& reader) {
  return retire(std::move(generation), reader, deadline_);
}

std::string RetiredGenerations::retire(Generation generation, const std::string& reader,
                                       std::chrono::nanoseconds wait) {
  if (!generation.plugin) return {};
  if (end_instance(generation, reader, wait)) return close(std::move(generation), reader);
  return "it hangs, and stays loaded until its callback returns";
}

std::string RetiredGenerations::close(Generation generation, const std::string& reader) {
  PERCH_ASSERT(generation.plugin.use_count() == 1, "a library is closed by its last user");
  const std::uint64_t number = generation.plugin->generation();
  std::string held = generation.plugin->unload();
  if (!held.empty()) {
    held = "generation " + std::to_string(number) + ": " + held;
    spdlog::warn("reader {}: {}", reader, held);
    add_note(reader, number, held);
  }
  return held;
}

void RetiredGenerations::tick() {
  for (auto at = hung_.begin(); at != hung_.end();) {
    if (!at->generation.instance->wait_ended(std::chrono::nanoseconds(0))) {
      ++at;
      continue;
    }
    at->generation.instance.reset();
    drop_note(at->generation.plugin->generation());
    close(std::move(at->generation), at->reader);
    at = hung_.erase(at);
  }
}

void RetiredGenerations::abandon_hung() {
  for (const Hung& hung : hung_) hung.generation.instance->abandon();
}

std::vector<std::string> RetiredGenerations::notes(const std::string& reader) const {
  std::vector<std::string> texts;
  for (auto note = notes_.rbegin(); note != notes_.rend() && texts.size() < notes_per_reader_max; ++note) {
    if (note->reader == reader) texts.push_back(note->text);
  }
  std::reverse(texts.begin(), texts.end());
  return texts;
}

std::vector<HolderEntry> RetiredGenerations::holders() const {
  std::vector<HolderEntry> holders;
  for (const Hung& hung : hung_) {
    holders.push_back({hung.reader, hung.generation.plugin->generation(), "retired, but hangs in a callback",
                       hung.generation.instance->stats()});
  }
  return holders;
}

void RetiredGenerations::add_note(const std::string& reader, std::uint64_t generation, std::string text) {
  if (notes_.size() == notes_max) notes_.pop_front();
  notes_.push_back({reader, generation, std::move(text)});
}

void RetiredGenerations::drop_note(std::uint64_t generation) {
  std::erase_if(notes_, [generation](const Note& note) { return note.generation == generation; });
}

}  // namespace perch::readers
