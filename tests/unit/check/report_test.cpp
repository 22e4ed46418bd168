// What a check says, and what is left of a process, in words.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "check/check.hpp"
#include "check/process_traces.hpp"
#include "check/quantile.hpp"
#include "check/report_text.hpp"

namespace perch::check {
namespace report_test {

std::string joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  return text;
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TEST_CASE("process traces: nothing changed is no difference") {
  const ProcessTraces before = ProcessTraces::now();
  CHECK(joined(lasting_differences(before)) == "");
}

TEST_CASE("process traces: a thread, a descriptor, a handler, the umask and the folder are told") {
  const ProcessTraces before = ProcessTraces::now();
  std::atomic<bool> is_over = false;
  std::thread thread([&] { is_over.wait(false); });
  const int fd = ::open("/dev/null", O_RDONLY);
  struct sigaction old {};
  struct sigaction ignore {};
  ignore.sa_handler = SIG_IGN;
  ::sigaction(SIGUSR2, &ignore, &old);
  const mode_t mask = ::umask(0);
  const std::string folder = std::filesystem::current_path();
  std::filesystem::current_path("/proc");

  const std::string differences = joined(ProcessTraces::now().differences_to(before));

  std::filesystem::current_path(folder);
  ::umask(mask);
  ::sigaction(SIGUSR2, &old, nullptr);
  ::close(fd);
  is_over = true;
  is_over.notify_all();
  thread.join();
  for (const char* const part :
       {"a thread is left running", "is left open: /dev/null", "the handler of SIGUSR2",
        "the umask was changed", "the working folder was changed"}) {
    CHECK_MESSAGE(has(differences, part), differences);
  }
  CHECK(joined(lasting_differences(before)) == "");
}

TEST_CASE("process traces: a closed descriptor and one that leads elsewhere are told") {
  const int closed = ::open("/dev/null", O_RDONLY);
  const int exchanged = ::open("/dev/null", O_RDONLY);
  const ProcessTraces before = ProcessTraces::now();
  ::close(closed);
  const int zero = ::open("/dev/zero", O_RDONLY);
  ::dup2(zero, exchanged);
  ::close(zero);
  const std::string differences = joined(ProcessTraces::now().differences_to(before));
  ::close(exchanged);
  CHECK(has(differences, "descriptor " + std::to_string(closed) + " of the host was closed"));
  CHECK(has(differences, "descriptor " + std::to_string(exchanged) + " of the host now leads to /dev/zero"));
}

TEST_CASE("quantile: of none, one and many") {
  CHECK(quantile_ns({}, 0.5) == 0);
  CHECK(quantile_ns({7}, 0.5) == 7);
  CHECK(quantile_ns({3, 1, 2}, 0.5) == 2);
  CHECK(quantile_ns({3, 1, 2}, 1) == 3);
}

TEST_CASE("report: names of checks are unlike, and each is found by its name") {
  for (const Check& check : all_checks()) CHECK(find_check(check.name) == &check);
  CHECK(find_check("no such check") == nullptr);
}

TEST_CASE("report: advice that several findings share is said once") {
  CheckResult result;
  result.name = "leftovers";
  result.verdict = Verdict::fail;
  result.summary = "first";
  result.findings = {{Verdict::fail, "first", "undo it"}, {Verdict::fail, "second", "undo it"}};
  const std::string text = result_text(result);
  CHECK(has(text, "  FAIL  leftovers      first\n"));
  CHECK(has(text, "FAIL: second\n"));
  CHECK_FALSE(has(text, "FAIL: first\n"));
  CHECK(text.find("undo it") == text.rfind("undo it"));
}

TEST_CASE("report: the counts of a summary") {
  CheckSummary summary;
  summary.is_plugin = true;
  for (const Verdict verdict : {Verdict::pass, Verdict::pass, Verdict::warn, Verdict::fail, Verdict::skip}) {
    summary.results.push_back({});
    summary.results.back().verdict = verdict;
  }
  CHECK(summary_text(summary) == "5 checks: 2 passed, 1 warning, 1 failed, 1 skipped (0ns)\n");
  const Json json = summary_json(summary, {}, Verdict::fail);
  CHECK(json["passed"] == 2);
  CHECK(json["verdict"] == "fail");
  CHECK(json["checks"].size() == 5);
}

}  // namespace report_test
}  // namespace perch::check
