// ProcessTraces: what of a process a plugin can change and leave changed: compared before and after.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

namespace perch::check {

/// Only what has a name is kept, so that a difference can be told in words.
struct ProcessTraces {
  std::map<std::string, std::string> threads;      ///< by id: the name
  std::map<std::string, std::string> descriptors;  ///< by number: what it leads to
  std::set<std::string> mapped_files;
  std::map<int, std::string> signal_handlers;   ///< by signal: handler and flags
  std::map<std::string, std::string> settings;  ///< working folder, umask, locale …
  std::size_t mappings = 0;

  static ProcessTraces now();
  /// One line for each kind of difference, in words; `mappings` is left to who compares.
  std::vector<std::string> differences_to(const ProcessTraces& before) const;
};

/// Compares until there is no difference, for a moment at most: a thread that was joined may be listed for a
/// little longer. Gives the differences that stay.
std::vector<std::string> lasting_differences(const ProcessTraces& before);

}  // namespace perch::check
