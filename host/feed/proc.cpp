#include "feed/proc.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <memory>
#include <sstream>
#include <string_view>

#include "base/unique_fd.hpp"

namespace perch::feed {
namespace {

/// A file's text; "" when it cannot be read.
std::string read_text(const std::string& path) {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::string text;
  char block[16384];
  ssize_t count = 0;
  while (file && (count = ::read(file.get(), block, sizeof block)) > 0) {
    text.append(block, static_cast<std::size_t>(count));
  }
  return text;
}

/// The number behind "name:" in a text of such lines; 0 when there is none.
std::uint64_t value_of(const std::string& text, std::string_view name) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.rfind(name, 0) == 0) return std::strtoull(line.c_str() + name.size(), nullptr, 10);
  }
  return 0;
}

}  // namespace

std::optional<Process> parse_process(const std::string& stat) {
  // The name stands in parentheses and may hold any character, parentheses too: the last one ends it.
  const std::size_t open = stat.find('(');
  const std::size_t close = stat.rfind(')');
  if (open == std::string::npos || close == std::string::npos || close < open) return std::nullopt;
  Process process;
  process.pid = std::strtoll(stat.c_str(), nullptr, 10);
  process.name = stat.substr(open + 1, close - open - 1);
  std::istringstream rest(stat.substr(close + 1));
  std::string skipped;
  const auto skip = [&](int fields) {
    for (int i = 0; i < fields; ++i) rest >> skipped;
  };
  std::uint64_t user = 0;
  std::uint64_t system = 0;
  std::uint64_t pages = 0;
  skip(11);  // fields 3 to 13
  rest >> user >> system;
  skip(4);  // 16 to 19
  rest >> process.threads;
  skip(1);  // 21
  rest >> process.started;
  skip(1);  // 23
  rest >> pages;
  if (!rest) return std::nullopt;
  static const auto page_bytes = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  process.cpu_ticks = user + system;
  process.rss_bytes = pages * page_bytes;
  return process;
}

std::vector<Process> read_processes() {
  std::vector<Process> processes;
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir("/proc"), ::closedir);
  while (const dirent* entry = folder ? ::readdir(folder.get()) : nullptr) {
    const std::string name = entry->d_name;
    if (!std::all_of(name.begin(), name.end(), [](char c) { return c >= '0' && c <= '9'; })) continue;
    auto process = parse_process(read_text("/proc/" + name + "/stat"));
    if (!process) continue;
    const std::string io = read_text("/proc/" + name + "/io");
    process->read_bytes = value_of(io, "read_bytes:");
    process->written_bytes = value_of(io, "write_bytes:");
    processes.push_back(std::move(*process));
  }
  return processes;
}

std::vector<Cpu> read_cpus() {
  std::vector<Cpu> cpus;
  std::istringstream lines(read_text("/proc/stat"));
  for (std::string line; std::getline(lines, line);) {
    if (line.rfind("cpu", 0) != 0 || line[3] < '0' || line[3] > '9') continue;
    std::istringstream fields(line.substr(3));
    Cpu cpu;
    fields >> cpu.number;
    std::uint64_t ticks = 0;
    // user nice system idle iowait irq softirq steal; guest time is contained in user and nice.
    for (int field = 0; field < 8 && fields >> ticks; ++field) {
      cpu.total_ticks += ticks;
      if (field != 3 && field != 4) cpu.busy_ticks += ticks;
    }
    cpus.push_back(cpu);
  }
  return cpus;
}

Memory read_memory() {
  const std::string text = read_text("/proc/meminfo");
  return {value_of(text, "MemTotal:") * 1024, value_of(text, "MemAvailable:") * 1024,
          std::strtod(read_text("/proc/loadavg").c_str(), nullptr)};
}

}  // namespace perch::feed
