#include "feed/system.hpp"

#include <unistd.h>

#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <utility>

#include "base/units.hpp"
#include "feed/output.hpp"
#include "feed/proc.hpp"

namespace perch::feed {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t name_bytes_max = 31;

/// As valid UTF-8 of at most 31 bytes. Bytes that are no UTF-8 become "?" (U+FFFD would need three).
std::string clean_name(const std::string& raw) {
  std::string clean;
  for (std::size_t at = 0; at < raw.size();) {
    const auto lead = static_cast<unsigned char>(raw[at]);
    const std::size_t length = lead < 0x80         ? 1
                               : lead >> 5 == 0x6  ? 2
                               : lead >> 4 == 0xe  ? 3
                               : lead >> 3 == 0x1e ? 4
                                                   : 1;
    std::string character = raw.substr(at, length);
    // dump() throws on what is no UTF-8.
    try {
      [[maybe_unused]] const auto dumped = Json(character).dump();
      at += length;
    } catch (const Json::exception&) {
      character = "?";
      ++at;
    }
    if (clean.size() + character.size() > name_bytes_max) break;
    clean += character;
  }
  return clean;
}

double rounded(double percent) { return std::round(percent * 100) / 100; }

/// Makes the rows of each sample; keeps what the next one is compared with.
class Sampler {
 public:
  explicit Sampler(SystemRows rows) : rows_(rows) { sample(0); }

  std::vector<Json> sample(std::int64_t ts) {
    const auto now = std::chrono::steady_clock::now();
    const double seconds = std::chrono::duration<double>(now - last_).count();
    last_ = now;
    switch (rows_) {
      case SystemRows::processes:
        return processes(ts, seconds);
      case SystemRows::cpus:
        return cpus(ts);
      case SystemRows::memory:
        return memory(ts);
    }
    return {};
  }

 private:
  std::vector<Json> processes(std::int64_t ts, double seconds) {
    static const auto ticks_per_second = static_cast<double>(::sysconf(_SC_CLK_TCK));
    std::map<std::pair<std::int64_t, std::uint64_t>, std::uint64_t> ticks;
    std::vector<Json> rows;
    for (const Process& process : read_processes()) {
      const std::pair id{process.pid, process.started};
      ticks[id] = process.cpu_ticks;
      // One that is new has used all its time since the sample before.
      const auto before = process_ticks_.find(id);
      const std::uint64_t used = process.cpu_ticks - (before == process_ticks_.end() ? 0 : before->second);
      const double percent = static_cast<double>(used) / ticks_per_second / seconds * 100;
      rows.push_back({{"ts", ts},
                      {"pid", process.pid},
                      {"name", clean_name(process.name)},
                      {"cpu_percent", rounded(percent)},
                      {"rss_bytes", process.rss_bytes},
                      {"read_bytes", process.read_bytes},
                      {"written_bytes", process.written_bytes},
                      {"threads", process.threads}});
    }
    process_ticks_ = std::move(ticks);
    return rows;
  }

  std::vector<Json> cpus(std::int64_t ts) {
    std::map<std::int64_t, Cpu> all;
    std::vector<Json> rows;
    for (const Cpu& cpu : read_cpus()) {
      const Cpu before = cpus_[cpu.number];
      const auto total = static_cast<double>(cpu.total_ticks - before.total_ticks);
      const auto busy = static_cast<double>(cpu.busy_ticks - before.busy_ticks);
      rows.push_back(
          {{"ts", ts}, {"cpu", cpu.number}, {"busy_percent", total > 0 ? rounded(busy / total * 100) : 0.0}});
      all[cpu.number] = cpu;
    }
    cpus_ = std::move(all);
    return rows;
  }

  std::vector<Json> memory(std::int64_t ts) {
    const Memory memory = read_memory();
    return {{{"ts", ts},
             {"total_bytes", memory.total_bytes},
             {"available_bytes", memory.available_bytes},
             {"load_1m", memory.load_1m}}};
  }

  SystemRows rows_;
  std::chrono::steady_clock::time_point last_{};
  std::map<std::pair<std::int64_t, std::uint64_t>, std::uint64_t> process_ticks_;  // by pid and start
  std::map<std::int64_t, Cpu> cpus_;
};

}  // namespace

void run_system(const SystemOptions& options) {
  Output out;
  Sampler sampler(options.rows);
  auto due = std::chrono::steady_clock::now();
  for (std::uint64_t sample = 0; options.count == 0 || sample < options.count; ++sample) {
    // A sample that took longer than the interval is not made up for.
    due = std::max(due + options.every, std::chrono::steady_clock::now());
    std::this_thread::sleep_until(due);
    for (const Json& row : sampler.sample(unix_now_ns())) {
      out.text(row.dump());
      out.text("\n");
    }
    out.flush();
  }
}

}  // namespace perch::feed
