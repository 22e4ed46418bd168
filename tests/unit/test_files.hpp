// What tests of every room share: folders that go when a test ends, files, waiting with a bound, the plugins
// of tests/faulty.
#pragma once

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace perch::test {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

/// A folder that is gone afterwards.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const fs::path& path() const { return path_; }
  fs::path operator/(const std::string& name) const { return path_ / name; }

 private:
  fs::path path_;
};

void write_file(const fs::path& path, std::string_view text);
void append_file(const fs::path& path, std::string_view text);
std::string read_file(const fs::path& path);
std::vector<std::string> read_lines(const fs::path& path);

/// Waits until the condition holds; the bound only ends a test that has failed.
bool eventually(const std::function<bool()>& condition);

/// Entries of a folder: of /proc/self/task the threads, of /proc/self/fd the descriptors.
std::size_t entries_of(const char* folder);

bool has(std::string_view text, std::string_view part);

/// A plugin of tests/faulty.
fs::path faulty_plugin(const std::string& name);

}  // namespace perch::test
