// PluginFolder: the watched folder: which of its files came, changed or went, once they have settled.
#pragma once

#include <chrono>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/unique_fd.hpp"

namespace perch::plugin {

/// inotify(7): closed after write, moved in or out, deleted; everything is looked at again when the kernel's
/// queue overflowed or the folder itself went and came back. Only *.so; names that start with . # ~ are
/// temporary. For the manager thread.
class PluginFolder {
 public:
  using Time = std::chrono::steady_clock::time_point;

  /// Creates the folder when missing. All its files count as changed, settled at once.
  static Result<PluginFolder> watch(std::filesystem::path folder);

  int fd() const noexcept { return inotify_.get(); }
  const std::filesystem::path& path() const noexcept { return folder_; }

  /// Reads what the kernel has to say.
  void read_events(Time now);
  struct Settled {
    std::string name;
    bool is_content;  ///< false: only its owner, mode or number of links changed
  };
  /// Names that were quiet for 50 ms (or kept changing for a second), in order. Whether a file is there now
  /// is for the caller to look at.
  std::vector<Settled> take_settled(Time now);
  /// When there is something to take, or the lost folder to look for.
  std::optional<Time> next_due() const;

  static bool is_plugin_name(const std::string& name);

 private:
  struct Change {
    Time settled;  ///< when it counts as settled, unless it changes again
    Time latest;   ///< settled then in any case
    bool is_content = false;
  };

  PluginFolder() = default;
  bool add_watch();
  void mark(const std::string& name, Time now, bool is_content = true);
  void mark_all(Time now);
  void look_for_folder(Time now);

  std::filesystem::path folder_;
  UniqueFd inotify_;
  int watch_ = -1;  // −1: the folder is gone
  Time look_again_{};
  std::map<std::string, Change> changes_;
  std::set<std::string> known_;  // names that were taken and may be there
};

}  // namespace perch::plugin
