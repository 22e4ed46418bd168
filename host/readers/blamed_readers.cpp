#include "readers/blamed_readers.hpp"

#include <sys/stat.h>

#include <fstream>

#include "base/log.hpp"
#include "base/text.hpp"

namespace perch::readers {
namespace {

constexpr std::size_t lines_max = 1024;
constexpr std::size_t line_bytes_max = 512;

}  // namespace

BlamedReaders BlamedReaders::read(std::filesystem::path file) {
  BlamedReaders self;
  self.file_ = std::move(file);
  std::error_code error;
  self.written_ = std::filesystem::last_write_time(self.file_, error);
  if (error) return self;
  std::ifstream lines(self.file_);
  std::string line;
  for (std::size_t count = 0; count < lines_max && std::getline(lines, line); ++count) {
    const std::size_t tab = line.find('\t');
    if (tab != std::string::npos && tab > 0)
      self.blamed_[line.substr(0, tab)] = clean_text(line.substr(tab + 1), line_bytes_max);
  }
  return self;
}

std::string BlamedReaders::blame(const std::string& reader, const std::string& plugin,
                                 const std::filesystem::path& plugin_file) const {
  auto found = blamed_.find(reader);
  if (found == blamed_.end()) found = blamed_.find(plugin);
  if (found == blamed_.end()) return {};
  // By when it was put there: a build keeps the time at which it was made.
  struct stat status {};
  if (::stat(plugin_file.c_str(), &status) != 0) return {};
  const auto changed = std::chrono::file_clock::from_sys(std::chrono::sys_time<std::chrono::nanoseconds>(
      std::chrono::seconds(status.st_ctim.tv_sec) + std::chrono::nanoseconds(status.st_ctim.tv_nsec)));
  return changed > written_ ? "" : found->second;
}

void BlamedReaders::forgive(const std::string& reader, const std::string& plugin) {
  if (blamed_.erase(reader) + blamed_.erase(plugin) == 0) return;
  const auto written = written_;
  std::error_code error;
  if (blamed_.empty()) {
    std::filesystem::remove(file_, error);
  } else {
    std::ofstream lines(file_, std::ios::trunc);
    for (const auto& [name, what] : blamed_) lines << name << '\t' << what << '\n';
    lines.close();
    if (!lines) error = std::make_error_code(std::errc::io_error);
    if (!error) std::filesystem::last_write_time(file_, written, error);
  }
  if (error) spdlog::warn("{}: {}", file_.string(), error.message());
}

}  // namespace perch::readers
