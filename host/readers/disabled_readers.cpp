#include "readers/disabled_readers.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/unique_fd.hpp"

namespace perch::readers {

Result<DisabledReaders> DisabledReaders::read(std::filesystem::path file) {
  DisabledReaders self;
  self.file_ = std::move(file);
  if (self.file_.empty()) return self;
  std::ifstream stream(self.file_);
  if (!stream) {
    if (errno == ENOENT) return self;
    return fail_errno("read the list of disabled readers, " + self.file_.string());
  }
  std::ostringstream text;
  text << stream.rdbuf();
  const auto list = nlohmann::json::parse(text.str(), nullptr, /*allow_exceptions=*/false);
  if (!list.is_array() || list.size() > names_max) {
    return fail(self.file_.string() +
                " is no list of disabled readers, such as [\"vwap\"]; mend it, or remove it to enable all");
  }
  for (const auto& name : list) {
    if (name.is_string()) self.names_.insert(name.get<std::string>());
  }
  return self;
}

Result<void> DisabledReaders::add(const std::string& name) {
  std::set<std::string> names = names_;
  names.insert(name);
  if (names.size() > names_max)
    return fail(ErrorKind::exhausted, "over " + std::to_string(names_max) + " readers are disabled already");
  if (auto written = write(names); !written) return written;
  names_ = std::move(names);
  return {};
}

Result<void> DisabledReaders::remove(const std::string& name) {
  std::set<std::string> names = names_;
  if (names.erase(name) == 0) return {};
  if (auto written = write(names); !written) return written;
  names_ = std::move(names);
  return {};
}

/// To a file beside it that then takes its name: whenever the host dies, the list is whole.
Result<void> DisabledReaders::write(const std::set<std::string>& names) const {
  if (file_.empty()) return {};
  const std::string text =
      nlohmann::json(names).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  const std::filesystem::path unfinished = file_.string() + ".unfinished";
  const UniqueFd fd(::open(unfinished.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return fail_errno("write the list of disabled readers, " + unfinished.string());
  const bool written = ::write(fd.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
                       ::fsync(fd.get()) == 0 && ::rename(unfinished.c_str(), file_.c_str()) == 0;
  return written ? Result<void>() : fail_errno("write the list of disabled readers, " + file_.string());
}

}  // namespace perch::readers
