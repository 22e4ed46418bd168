#include "check/process_traces.hpp"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <clocale>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <thread>

namespace perch::check {
namespace {

namespace fs = std::filesystem;

constexpr unsigned set_by_libc = 0x04000000;  // SA_RESTORER: whoever sets a handler back sets it as well

std::map<std::string, std::string> threads_now() {
  std::map<std::string, std::string> threads;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator("/proc/self/task", error)) {
    std::string name = "?";
    std::getline(std::ifstream(entry.path() / "comm") >> std::ws, name);
    threads[entry.path().filename()] = name;
  }
  return threads;
}

/// The folder's own descriptor, which is gone when it has been read, is left out.
std::map<std::string, std::string> descriptors_now() {
  std::map<std::string, std::string> descriptors;
  std::error_code error;
  std::vector<std::string> numbers;
  for (const auto& entry : fs::directory_iterator("/proc/self/fd", error))
    numbers.push_back(entry.path().filename());
  for (const std::string& number : numbers) {
    const fs::path target = fs::read_symlink("/proc/self/fd/" + number, error);
    if (!error) descriptors[number] = target;
  }
  return descriptors;
}

void read_mappings(ProcessTraces& traces) {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line); ++traces.mappings) {
    const std::size_t path = line.find('/');
    if (path != std::string::npos) traces.mapped_files.insert(line.substr(path));
  }
}

std::map<int, std::string> handlers_now() {
  std::map<int, std::string> handlers;
  for (int number = 1; number < NSIG; ++number) {
    struct sigaction action {};
    if (::sigaction(number, nullptr, &action) != 0) continue;
    char text[64];
    std::snprintf(text, sizeof text, "%p %x", reinterpret_cast<void*>(action.sa_handler),
                  static_cast<unsigned>(action.sa_flags) & ~set_by_libc);
    handlers[number] = text;
  }
  return handlers;
}

std::string environment_text() {
  std::string text;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry)
    text += std::string(*entry) + '\n';
  return text;
}

std::map<std::string, std::string> settings_now() {
  std::error_code error;
  const mode_t mask = ::umask(0);
  ::umask(mask);
  itimerval timer{};
  ::getitimer(ITIMER_REAL, &timer);
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  const char* const locale = std::setlocale(LC_ALL, nullptr);
  std::ifstream timers("/proc/self/timers");
  const std::string posix_timers{std::istreambuf_iterator<char>(timers), {}};
  return {{"the working folder", fs::current_path(error).string()},
          {"the umask", std::to_string(mask)},
          {"the locale", locale != nullptr ? locale : "?"},
          {"the environment", environment_text()},
          {"the alarm timer", timer.it_value.tv_sec != 0 || timer.it_value.tv_usec != 0 ? "armed" : "off"},
          {"the timers", posix_timers},
          {"the limit of open files", std::to_string(files.rlim_cur)},
          {"the priority", std::to_string(::getpriority(PRIO_PROCESS, 0))}};
}

std::string signal_name(int number) {
  const char* const name = ::sigabbrev_np(number);
  return name != nullptr ? std::string("SIG") + name : "signal " + std::to_string(number);
}

void compare_threads(const ProcessTraces& before, const ProcessTraces& after,
                     std::vector<std::string>& lines) {
  for (const auto& [id, name] : after.threads) {
    if (before.threads.count(id) == 0) lines.push_back("a thread is left running: " + name);
  }
}

void compare_descriptors(const ProcessTraces& before, const ProcessTraces& after,
                         std::vector<std::string>& lines) {
  for (const auto& [number, target] : after.descriptors) {
    const auto was = before.descriptors.find(number);
    if (was == before.descriptors.end()) {
      lines.push_back("descriptor " + number + " is left open: " + target);
    } else if (was->second != target) {
      lines.push_back("descriptor " + number + " of the host now leads to " + target);
    }
  }
  for (const auto& [number, target] : before.descriptors) {
    if (after.descriptors.count(number) == 0) {
      lines.push_back("descriptor " + number + " of the host was closed" +
                      (number.size() == 1 && number < "3" ? " (standard input, output or errors)" : ""));
    }
  }
}

void compare_settings(const ProcessTraces& before, const ProcessTraces& after,
                      std::vector<std::string>& lines) {
  for (const auto& [number, handler] : after.signal_handlers) {
    const auto was = before.signal_handlers.find(number);
    if (was != before.signal_handlers.end() && was->second != handler) {
      lines.push_back("the handler of " + signal_name(number) + " was changed, for the whole host");
    }
  }
  for (const auto& [name, value] : after.settings) {
    const auto was = before.settings.find(name);
    if (was == before.settings.end() || was->second == value) continue;
    const bool is_short = value.size() < 200 && value.find('\n') == std::string::npos;
    lines.push_back(name + " was changed, for the whole host" +
                    (is_short ? ": " + was->second + " → " + value : std::string()));
  }
}

}  // namespace

ProcessTraces ProcessTraces::now() {
  ProcessTraces traces;
  traces.threads = threads_now();
  traces.descriptors = descriptors_now();
  traces.signal_handlers = handlers_now();
  traces.settings = settings_now();
  read_mappings(traces);
  return traces;
}

std::vector<std::string> ProcessTraces::differences_to(const ProcessTraces& before) const {
  std::vector<std::string> lines;
  compare_threads(before, *this, lines);
  compare_descriptors(before, *this, lines);
  compare_settings(before, *this, lines);
  std::sort(lines.begin(), lines.end());
  lines.erase(std::unique(lines.begin(), lines.end()), lines.end());
  return lines;
}

std::vector<std::string> lasting_differences(const ProcessTraces& before) {
  std::vector<std::string> lines;
  for (int look = 0; look < 50; ++look) {
    lines = ProcessTraces::now().differences_to(before);
    if (lines.empty()) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return lines;
}

}  // namespace perch::check
