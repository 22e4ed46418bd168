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
  if (generation.instance->is_parked()) {
    generation.instance->release_parked();
    const Error crash = *generation.instance->fault();
    for (const std::string& line : crash.details) spdlog::error("reader {}:   {}", reader, line);
    keep(std::exchange(generation, {}), reader, "crashed", crash.message + ", and its library stays mapped");
    hung_.back().is_parked = true;
    return false;
  }
  keep(std::exchange(generation, {}), reader, "retired, but hangs in a callback",
       "did not end within " + format_duration(wait) + ": it stays loaded until its callback returns");
  return false;
}

/// Returns the text, with the generation's number.
std::string RetiredGenerations::keep(Generation generation, const std::string& reader, const char* what,
                                     std::string text) {
  const std::uint64_t number = generation.plugin->generation();
  text = "generation " + std::to_string(number) + " " + text;
  spdlog::error("reader {}: {}; restart the host when convenient", reader, text);
  add_note(reader, number, text);
  hung_.push_back({std::move(generation), reader, what, text});
  return text;
}

std::string RetiredGenerations::retire(Generation generation, const std::string& reader) {
  return retire(std::move(generation), reader, deadline_);
}

std::string RetiredGenerations::retire(Generation generation, const std::string& reader,
                                       std::chrono::nanoseconds wait) {
  if (!generation.plugin) return {};
  if (!end_instance(generation, reader, wait)) return hung_.back().text;
  if (const int threads = generation.plugin->threads()->count(); threads > 0) {
    return keep(std::move(generation), reader, "left threads running",
                "left " + std::to_string(threads) + (threads == 1 ? " thread" : " threads") +
                    " running: it stays mapped until they end (destroy must end the plugin's threads)");
  }
  return close(std::move(generation), reader);
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

bool RetiredGenerations::has_come_back(Hung& hung) {
  if (instances::Instance* const instance = hung.generation.instance.get()) {
    if (!hung.is_parked && instance->is_parked()) {  // crashed where it had hung
      instance->release_parked();
      hung.is_parked = true;
    }
    if (hung.is_parked || !instance->wait_ended(std::chrono::nanoseconds(0))) return false;
    hung.generation.instance.reset();
  }
  return hung.generation.plugin->threads()->count() == 0;
}

void RetiredGenerations::tick() {
  for (auto at = hung_.begin(); at != hung_.end();) {
    if (!has_come_back(*at)) {
      ++at;
      continue;
    }
    drop_note(at->generation.plugin->generation());
    close(std::move(at->generation), at->reader);
    at = hung_.erase(at);
  }
}

std::vector<std::string> RetiredGenerations::degraded() const {
  std::vector<std::string> reasons;
  for (const Hung& hung : hung_) reasons.push_back("reader " + hung.reader + ": " + hung.text);
  return reasons;
}

void RetiredGenerations::abandon_hung() {
  for (const Hung& hung : hung_) {
    if (hung.generation.instance) hung.generation.instance->abandon();
  }
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
    if (!hung.generation.instance) continue;
    holders.push_back(
        {hung.reader, hung.generation.plugin->generation(), hung.what, hung.generation.instance->stats()});
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
