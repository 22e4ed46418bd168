// What differs between two configs, field by field, each with what a reload is to do about it.
#pragma once

#include <string>
#include <vector>

#include "config/config.hpp"

namespace perch {

/// What becomes of a changed value while the host runs. perchd/reload.cpp carries each of them out.
enum class ReloadRule {
  fixed,            ///< refused by name
  adds_table,       ///< of the list of tables: new ones come, none goes
  sets_log_level,   ///< taken over at once
  sets_commit,      ///< taken over with the next commit
  restarts_source,  ///< the source ends, and another one begins in its place
  changes_reader,   ///< the reader is configured or, when more than its config has changed, begun anew
};

struct Difference {
  enum class Kind {
    changed,
    added,    ///< an element of a list
    removed,  ///< an element of a list
  };
  Kind kind = Kind::changed;
  ReloadRule rule = ReloadRule::fixed;
  std::string place;         ///< "readers.sandbox.memory", "sources.NAME.csv.quote"
  std::string message;       ///< why it cannot be: where the rule refuses it
  std::string element = {};  ///< its name, where the place lies in a list of named elements
};

/// Nothing: the configs say the same, in whatever words.
std::vector<Difference> config_differences(const Config& running, const Config& wanted);

}  // namespace perch
