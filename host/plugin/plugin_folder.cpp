#include "plugin/plugin_folder.hpp"

#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>

#include "base/log.hpp"

namespace perch::plugin {
namespace {

constexpr auto quiet_time = std::chrono::milliseconds(50);
constexpr auto quiet_time_max = std::chrono::seconds(1);
constexpr auto lost_folder_look_again = std::chrono::seconds(1);

/// A new name for a file that is whole already: a hard or symbolic link, which is never written and closed
/// here.
bool may_be_shared(const std::filesystem::path& path) {
  struct stat status {};
  return lstat(path.c_str(), &status) == 0 &&
         (S_ISLNK(status.st_mode) || (S_ISREG(status.st_mode) && status.st_nlink > 1));
}

}  // namespace

bool PluginFolder::is_plugin_name(const std::string& name) {
  return name.size() > 3 && name.ends_with(".so") && name[0] != '.' && name[0] != '#' && name[0] != '~';
}

Result<PluginFolder> PluginFolder::watch(std::filesystem::path folder) {
  PluginFolder self;
  self.folder_ = std::move(folder);
  std::error_code error;
  const bool is_new = std::filesystem::create_directories(self.folder_, error);
  if (error) return fail("create the plugin folder " + self.folder_.string() + ": " + error.message());
  if (is_new) spdlog::info("made the plugin folder {}, which was not there", self.folder_.string());
  self.inotify_.reset(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!self.inotify_) return fail_errno("inotify_init1");
  if (!self.add_watch()) return fail_errno("watch the plugin folder " + self.folder_.string());
  self.mark_all(Time::clock::now() - quiet_time_max);
  return self;
}

bool PluginFolder::add_watch() {
  watch_ = inotify_add_watch(inotify_.get(), folder_.c_str(),
                             IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_CREATE |
                                 IN_DELETE_SELF | IN_MOVE_SELF | IN_ATTRIB | IN_ONLYDIR);
  return watch_ >= 0;
}

void PluginFolder::mark(const std::string& name, Time now, bool is_content) {
  if (!is_plugin_name(name)) return;
  const auto [change, is_new] = changes_.try_emplace(name, Change{now, now + quiet_time_max});
  change->second.settled = std::min(now + quiet_time, change->second.latest);
  change->second.is_content |= is_content;
}

/// What is there, and what was.
void PluginFolder::mark_all(Time now) {
  for (const std::string& name : known_) mark(name, now);
  std::error_code error;
  for (std::filesystem::directory_iterator at(folder_, error), end; !error && at != end;
       at.increment(error)) {
    mark(at->path().filename().string(), now);
  }
}

void PluginFolder::look_for_folder(Time now) {
  if (watch_ >= 0 || now < look_again_) return;
  look_again_ = now + lost_folder_look_again;
  if (!add_watch()) return;
  spdlog::info("the plugin folder {} is back", folder_.string());
  mark_all(now);
}

void PluginFolder::read_events(Time now) {
  alignas(inotify_event) char buffer[16384];
  while (true) {
    const ssize_t size = ::read(inotify_.get(), buffer, sizeof buffer);
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return;
    for (ssize_t at = 0; at < size;) {
      inotify_event event;
      std::memcpy(&event, buffer + at, sizeof event);
      const char* const name = buffer + at + sizeof event;
      at += static_cast<ssize_t>(sizeof event + event.len);
      if ((event.mask & IN_Q_OVERFLOW) != 0) {
        mark_all(now);
      } else if (event.wd != watch_) {
        continue;  // of a watch that was given up
      } else if ((event.mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED)) != 0) {
        spdlog::warn("the plugin folder {} is gone; its readers are unloaded until it is back",
                     folder_.string());
        inotify_rm_watch(inotify_.get(), watch_);
        watch_ = -1;
        look_again_ = now + lost_folder_look_again;
        mark_all(now);
      } else if ((event.mask & IN_ATTRIB) != 0) {
        // The folder's own: it may be safe now. A file that has never been taken is still being written.
        if (event.len == 0) mark_all(now);
        if (event.len > 0 && known_.contains(name)) mark(name, now, false);
      } else if (event.len > 0) {
        if ((event.mask & IN_CREATE) == 0 || may_be_shared(folder_ / name)) {
          mark(name, now);
        } else if (const auto change = changes_.find(name); change != changes_.end()) {
          change->second.settled =
              change->second.latest;  // removed and now being written anew: wait for the end
        }
      }
    }
  }
}

std::vector<PluginFolder::Settled> PluginFolder::take_settled(Time now) {
  look_for_folder(now);
  std::vector<Settled> settled;
  for (auto at = changes_.begin(); at != changes_.end();) {
    if (at->second.settled > now) {
      ++at;
      continue;
    }
    settled.push_back({at->first, at->second.is_content});
    known_.insert(at->first);
    at = changes_.erase(at);
  }
  return settled;
}

std::optional<PluginFolder::Time> PluginFolder::next_due() const {
  std::optional<Time> next;
  if (watch_ < 0) next = look_again_;
  for (const auto& [name, change] : changes_) next = next ? std::min(*next, change.settled) : change.settled;
  return next;
}

}  // namespace perch::plugin
