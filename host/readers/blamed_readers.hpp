// BlamedReaders: whose code the last host died of. Such a reader is not started again by itself: a supervisor
// that restarts the host would only see it die again.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "base/result.hpp"

namespace perch::readers {

/// A file of lines "NAME<tab>what happened", appended to by a dying host (see set_blame_file), where NAME is
/// a reader, or a plugin's id when it died while that was loaded. For the manager thread.
class BlamedReaders {
 public:
  /// `file` empty, or not there: nobody is blamed.
  static BlamedReaders read(std::filesystem::path file);

  /// What happened, if the reader or its plugin is blamed and the plugin's file has not changed since; else
  /// "".
  std::string blame(const std::string& reader, const std::string& plugin,
                    const std::filesystem::path& plugin_file) const;
  /// Somebody wants it to run all the same. (A file that cannot be written is told in the log: the reader
  /// runs.)
  void forgive(const std::string& reader, const std::string& plugin);

 private:
  std::filesystem::path file_;
  std::filesystem::file_time_type written_{};
  std::map<std::string, std::string> blamed_;
};

}  // namespace perch::readers
