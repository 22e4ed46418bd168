// RetiredGenerations: generations on their way out, and those that would not go.
#pragma once

#include <chrono>
#include <deque>
#include <string>
#include <vector>

#include "readers/reader.hpp"
#include "readers/status_board.hpp"

namespace perch::readers {

/// For the manager thread.
class RetiredGenerations {
 public:
  explicit RetiredGenerations(std::chrono::nanoseconds deadline) : deadline_(deadline) {}

  /// Stop, destroy, join, close, prove. Returns what is left behind, in words; "" when nothing is. An
  /// instance that does not end within the deadline is kept and looked at again by `tick`.
  std::string retire(Generation generation, const std::string& reader);
  /// The same within `wait`, for one that somebody else is held up by.
  std::string retire(Generation generation, const std::string& reader, std::chrono::nanoseconds wait);
  /// The first half of retire: ends the instance and keeps the library for another one. False: it hangs; the
  /// generation is taken away whole, and looked at again by `tick`.
  bool end_instance(Generation& generation, const std::string& reader);
  bool end_instance(Generation& generation, const std::string& reader, std::chrono::nanoseconds wait);
  /// Only asks, so that many can end at once.
  static void request_end(const Generation& generation);
  /// Closes the hung ones that came back, and those whose last thread has ended.
  void tick();
  /// What should be gone and is not, since its code may still run: reasons to restart the host when
  /// convenient.
  std::vector<std::string> degraded() const;
  /// Whether tick has something to look at.
  bool has_hung() const noexcept { return !hung_.empty(); }
  /// For the host's end: leaves the hung ones alone for good.
  void abandon_hung();

  /// What this reader's old generations left behind, the last 16 of them.
  std::vector<std::string> notes(const std::string& reader) const;
  /// The hung ones, which may still pin versions.
  std::vector<HolderEntry> holders() const;

 private:
  struct Note {
    std::string reader;
    std::uint64_t generation;
    std::string text;
  };
  struct Hung {
    Generation generation;  // without an instance: only its threads are left
    std::string reader;
    const char* what;        // for what it holds its versions
    std::string text;        // why it is still there
    bool is_parked = false;  // for good: nothing to look at any more
  };

  std::string keep(Generation generation, const std::string& reader, const char* what, std::string text);
  bool has_come_back(Hung& hung);
  std::string close(Generation generation, const std::string& reader);
  void add_note(const std::string& reader, std::uint64_t generation, std::string text);
  void drop_note(std::uint64_t generation);

  const std::chrono::nanoseconds deadline_;
  std::vector<Hung> hung_;
  std::deque<Note> notes_;  // at most notes_max
};

}  // namespace perch::readers
