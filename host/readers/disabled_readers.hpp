// DisabledReaders: the readers that a person disabled, remembered across restarts of the host.
#pragma once

#include <filesystem>
#include <set>
#include <string>

#include "base/result.hpp"

namespace perch::readers {

/// A JSON list of names in a file that is replaced as a whole with each change. For the manager thread.
class DisabledReaders {
 public:
  static constexpr std::size_t names_max = 4096;

  /// `file` empty: remembered for the life of this object alone. A file that is not there is an empty list;
  /// one that cannot be read is an error: starting what somebody disabled would be worse.
  static Result<DisabledReaders> read(std::filesystem::path file);

  bool contains(const std::string& name) const { return names_.contains(name); }
  /// On failure the list is as it was, in memory and in the file.
  Result<void> add(const std::string& name);
  Result<void> remove(const std::string& name);

 private:
  Result<void> write(const std::set<std::string>& names) const;

  std::filesystem::path file_;
  std::set<std::string> names_;
};

}  // namespace perch::readers
