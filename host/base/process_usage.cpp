#include "base/process_usage.hpp"

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

namespace perch {

ProcessUsage process_usage() {
  ProcessUsage usage;
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    std::istringstream words(line);
    std::string name;
    std::uint64_t number = 0;
    words >> name >> number;
    constexpr std::uint64_t kib = 1024;
    if (name == "RssAnon:") usage.heap_bytes = number * kib;
    if (name == "RssShmem:") usage.shared_bytes = number * kib;
    if (name == "Threads:") usage.threads = number;
  }
  std::error_code error;
  for (std::filesystem::directory_iterator at("/proc/self/fd", error), end; !error && at != end;
       at.increment(error)) {
    ++usage.descriptors;
  }
  if (usage.descriptors > 0) --usage.descriptors;  // the one that this looks through
  return usage;
}

}  // namespace perch
