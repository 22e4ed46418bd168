// What /proc tells of processes, CPUs and memory. See proc(5).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace perch::feed {

struct Process {
  std::int64_t pid = 0;
  std::string name;             ///< comm; any bytes
  std::uint64_t started = 0;    ///< in clock ticks since boot; with the pid it names a process
  std::uint64_t cpu_ticks = 0;  ///< user and system, so far
  std::uint64_t threads = 0;
  std::uint64_t rss_bytes = 0;
  std::uint64_t read_bytes = 0;  ///< from storage; 0 where /proc/PID/io may not be read
  std::uint64_t written_bytes = 0;
};

struct Cpu {
  std::int64_t number = 0;
  std::uint64_t busy_ticks = 0;
  std::uint64_t total_ticks = 0;
};

struct Memory {
  std::uint64_t total_bytes = 0;
  std::uint64_t available_bytes = 0;
  double load_1m = 0;
};

/// All processes. Those that end meanwhile are left out.
std::vector<Process> read_processes();
std::vector<Cpu> read_cpus();
Memory read_memory();

/// A process from the text of its /proc/PID/stat; nothing when it is no such text.
std::optional<Process> parse_process(const std::string& stat);

}  // namespace perch::feed
