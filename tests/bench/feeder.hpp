// Feeder: a process of its own that writes bytes to a UNIX socket, so that what they cost there counts for
// nobody.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <string_view>

#include "base/unique_fd.hpp"

namespace perch::bench {

/// A folder in /tmp that is gone afterwards.
class BenchFolder {
 public:
  BenchFolder();
  ~BenchFolder() { std::filesystem::remove_all(path_); }
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

/// Connected within ten seconds, or the program ends with a message.
UniqueFd connect_to(const std::filesystem::path& socket);
void write_all(int descriptor, std::string_view bytes);

/// Make it before other threads start: it is a fork. Waits for go().
class Feeder {
 public:
  Feeder(std::filesystem::path socket, std::string_view bytes);
  ~Feeder();
  void go();

 private:
  pid_t pid_;
  UniqueFd start_;
};

/// Processor time of this process, all threads.
double process_cpu_seconds();
double now_seconds();

}  // namespace perch::bench
