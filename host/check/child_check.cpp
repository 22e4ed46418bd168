#include "check/child_check.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <map>

#include "base/child_process.hpp"
#include "base/text.hpp"
#include "base/units.hpp"
#include "check/host_complaints.hpp"

namespace perch::check {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t report_bytes_max = std::size_t{256} << 20;
constexpr std::size_t line_bytes_max = std::size_t{1} << 20;
constexpr std::size_t printed_bytes_max = 4096;  // what is kept of the plugin's own output
constexpr std::int64_t look_every_ms = 100;      // whether to stop
constexpr int exit_report_lost = 97;
constexpr std::size_t findings_kept_max = 12;  // a report is to be read
constexpr int report_fd = 400;  // out of the way of descriptors that a plugin may mistake for its own

// ---- The argument that the child gets

std::string child_argument(const Check& check, const CheckOptions& options,
                           const std::filesystem::path& folder) {
  Json json{{"check", check.name},       {"file", options.file.string()},
            {"folder", folder.string()}, {"seed", options.seed},
            {"rows", options.rows},      {"deadline_ns", options.deadline.count()}};
  if (options.config) json["config"] = *options.config;
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

CheckOptions read_options(const Json& json) {
  CheckOptions options;
  options.file = json.at("file").get<std::string>();
  options.seed = json.at("seed").get<std::uint64_t>();
  options.rows = json.at("rows").get<std::uint64_t>();
  options.deadline = std::chrono::nanoseconds(json.at("deadline_ns").get<std::int64_t>());
  if (json.contains("config")) options.config = json.at("config").get<std::string>();
  return options;
}

// ---- Parent

/// What a child has said so far.
class Listener {
 public:
  explicit Listener(CheckResult& result) : result_(result) {}

  /// False: it says what no check says, or more than one can.
  bool take_report(std::string_view bytes) {
    bytes_ += bytes.size();
    line_ += bytes;
    try {
      for (std::size_t end; (end = line_.find('\n')) != std::string::npos; line_.erase(0, end + 1)) {
        if (!take_line(std::string_view(line_).substr(0, end))) return false;
      }
    } catch (const Json::exception&) {
      return false;  // no check writes such a line
    }
    return bytes_ <= report_bytes_max && line_.size() <= line_bytes_max;
  }
  void take_printed(std::string_view bytes) {
    printed_ += bytes;
    if (printed_.size() > printed_bytes_max) printed_.erase(0, printed_.size() - printed_bytes_max);
  }

  bool is_done() const noexcept { return is_done_; }
  /// What was being done when the last was heard: by instances, else by the check itself.
  std::string activity() const {
    std::string text;
    for (const auto& [who, what] : activities_) {
      if (!who.empty() && !what.empty()) text += (text.empty() ? "" : ", or ") + who + ": " + what;
    }
    const auto check = activities_.find("");
    return text.empty() && check != activities_.end() ? check->second : text;
  }
  const std::string& printed() const noexcept { return printed_; }

 private:
  bool take_line(std::string_view text) {
    const Json line = Json::parse(text);
    if (!line.is_object() || line.empty()) return false;
    const std::string kind = line.items().begin().key();
    const Json& value = line.at(kind);
    if (kind == "now") {
      activities_[value.at("who").get<std::string>()] = value.at("what").get<std::string>();
    } else if (kind == "note") {
      result_.notes.push_back(value.get<std::string>());
    } else if (kind == "measured") {
      result_.measured.update(value);
    } else if (kind == "finding") {
      take_finding(value);
    } else if (kind == "done") {
      is_done_ = true;
      result_.summary = value.get<std::string>();
    }
    return true;
  }

  void take_finding(const Json& value) {
    const auto verdict = value.at("verdict").get<std::string>();
    Finding finding{verdict == "fail"   ? Verdict::fail
                    : verdict == "skip" ? Verdict::skip
                                        : Verdict::warn,
                    value.at("text").get<std::string>(), value.at("advice").get<std::string>()};
    result_.verdict = std::max(result_.verdict, finding.verdict);
    if (result_.findings.size() < findings_kept_max) {
      result_.findings.push_back(std::move(finding));
    } else {
      ++result_.findings_left_out;
    }
  }

  CheckResult& result_;
  std::string line_;
  std::map<std::string, std::string> activities_;  // by who
  std::string printed_;
  std::size_t bytes_ = 0;
  bool is_done_ = false;
};

/// Reads what is there. False: nothing more will come.
template <class Take>
bool drain(int fd, Take&& take) {
  char bytes[65536];
  while (true) {
    const ssize_t got = ::read(fd, bytes, sizeof bytes);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno == EAGAIN;
    if (got == 0) return false;
    take(std::string_view(bytes, static_cast<std::size_t>(got)));
  }
}

enum class Ending { ended, out_of_time, disturbed, stopped };

/// Listens until the child has ended, which its report alone would not tell: processes that the plugin
/// started may hold the pipe open.
Ending listen(const ChildProcess& child, Listener& listener, Clock::time_point deadline,
              const std::function<bool()>& is_stopped) {
  bool sane = true;
  pollfd waits[] = {{child.pidfd(), POLLIN, 0}, {child.output(), POLLIN, 0}, {child.errors(), POLLIN, 0}};
  while (true) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) return Ending::out_of_time;
    if (is_stopped && is_stopped()) return Ending::stopped;
    if (::poll(waits, 3, static_cast<int>(std::min(left, look_every_ms))) < 0 && errno != EINTR) {
      return Ending::out_of_time;
    }
    if (waits[1].revents != 0 &&
        !drain(child.output(), [&](std::string_view bytes) { sane = sane && listener.take_report(bytes); })) {
      waits[1].fd = -1;
    }
    if (waits[2].revents != 0 &&
        !drain(child.errors(), [&](std::string_view bytes) { listener.take_printed(bytes); })) {
      waits[2].fd = -1;
    }
    if (!sane) return Ending::disturbed;
    if (waits[0].revents != 0) {
      drain(child.output(), [&](std::string_view bytes) { sane = sane && listener.take_report(bytes); });
      drain(child.errors(), [&](std::string_view bytes) { listener.take_printed(bytes); });
      return Ending::ended;
    }
  }
}

std::string signal_words(int signal) {
  const char* const name = ::sigabbrev_np(signal);
  const char* const description = ::sigdescr_np(signal);
  return std::string(description != nullptr ? description : "killed") + " (SIG" +
         (name != nullptr ? name : std::to_string(signal)) + ")";
}

/// What is wrong when a child did not end as it should; no finding otherwise.
std::optional<Finding> judge_ending(Ending ending, const ExitStatus& status, const Listener& listener,
                                    const CheckOptions& options) {
  const std::string during = listener.activity().empty() ? "" : " while: " + listener.activity();
  if (ending == Ending::out_of_time) {
    return Finding{Verdict::fail, "it did not end within " + format_duration(options.deadline) + during,
                   listener.is_done()
                       ? "everything was unloaded: what a library left behind holds the process' end up"
                       : "callbacks must return; give --deadline where a plugin is slow for a reason"};
  }
  if (ending == Ending::disturbed) return Finding{Verdict::fail, "it disturbed its own report" + during, ""};
  if (status.signal != 0) {
    return Finding{Verdict::fail,
                   "it crashed: " + signal_words(status.signal) +
                       (listener.is_done() ? " as the process ended, after it was unloaded" : during),
                   listener.is_done()
                       ? "it left something behind that runs code which is unmapped: a thread, an "
                         "on_exit handler, a timer"
                       : "repeat it with the same options in a debugger, or build the plugin with "
                         "-fsanitize=address,undefined"};
  }
  if (!listener.is_done() && status.code == exit_report_lost) {
    return Finding{Verdict::fail, "it closed the descriptor of this report" + during,
                   "close the descriptors that you opened, and no others"};
  }
  if (!listener.is_done()) {
    return Finding{Verdict::fail,
                   "it ended the process (exit code " + std::to_string(status.code) + ")" + during,
                   "a reader runs inside the host: report an error instead of calling exit"};
  }
  return std::nullopt;
}

}  // namespace

Result<CheckResult> run_check_in_child(const Check& check, const CheckOptions& options,
                                       const std::filesystem::path& folder,
                                       const std::vector<std::string>& program,
                                       const std::function<bool()>& is_stopped) {
  CheckResult result;
  result.name = check.name;
  std::vector<std::string> command = program;
  command.push_back(child_argument(check, options, folder));
  const auto began = Clock::now();
  auto child = ChildProcess::spawn(command);
  if (!child) return fail(child.error());
  Listener listener(result);
  const Ending ending = listen(*child, listener, began + options.deadline, is_stopped);
  const ExitStatus status = child->end(std::chrono::milliseconds(0));
  if (ending == Ending::stopped) return fail("stopped");
  if (auto finding = judge_ending(ending, status, listener, options)) {
    result.verdict = Verdict::fail;
    result.findings.push_back(std::move(*finding));
    if (!listener.printed().empty()) {
      result.notes.push_back("it printed: " + clean_text(listener.printed(), printed_bytes_max));
    }
  }
  result.took = std::chrono::round<std::chrono::milliseconds>(Clock::now() - began);
  return result;
}

// ---- Child

int run_in_child(const std::string& argument) {
  const Json json = Json::parse(argument, nullptr, false);
  const Check* const check = json.is_object() ? find_check(json.value("check", std::string())) : nullptr;
  if (check == nullptr) return 2;
  const CheckOptions options = read_options(json);

  UniqueFd report_to(::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, report_fd));
  if (!report_to || ::dup2(STDERR_FILENO, STDOUT_FILENO) < 0) return 2;
  const rlimit no_core{0, 0};
  ::setrlimit(RLIMIT_CORE, &no_core);

  // For good: what the plugin leaves behind may still be heard as the process ends.
  CheckReport& report = *new CheckReport(std::move(report_to));
  report_host_complaints(report);
  // Most of the deadline is for the repetitions of a check, the rest for what it does behind them.
  CheckContext context{options, json.at("folder").get<std::string>(), report,
                       Clock::now() + options.deadline * 6 / 10};
  check->run(context);
  return report.is_lost() ? exit_report_lost : 0;
}

}  // namespace perch::check
