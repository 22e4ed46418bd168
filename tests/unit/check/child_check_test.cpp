// The parent's side of a check: whatever a child does, there is a result, within the deadline.
#include "check/child_check.hpp"

#include <doctest/doctest.h>

#include "check/check.hpp"

namespace perch::check {
namespace child_check_test {

/// What is made of a child that runs this shell script instead of the check.
CheckResult result_of(const std::string& script,
                      std::chrono::nanoseconds deadline = std::chrono::seconds(60)) {
  CheckOptions options;
  options.file = "/nowhere.so";
  options.deadline = deadline;
  const auto result = run_check_in_child(*find_check("load"), options, "/tmp", {"/bin/sh", "-c", script}, {});
  REQUIRE(result.has_value());
  return *result;
}

std::string first_text(const CheckResult& result) {
  REQUIRE(result.findings.size() >= 1);
  return result.findings.back().text;
}

const std::string done = R"(echo '{"done":"all"}'; )";

TEST_CASE("child check: one that is done and ends passes, and its summary is kept") {
  const CheckResult result =
      result_of(R"(echo '{"now":{"who":"","what":"a thing"}}'; echo '{"measured":{"n":3}}'; )" + done);
  CHECK(result.verdict == Verdict::pass);
  CHECK(result.summary == "all");
  CHECK(result.measured["n"] == 3);
}

TEST_CASE("child check: the heaviest finding is the verdict, and of many a few are kept") {
  const CheckResult result = result_of(
      R"(i=0; while [ $i -lt 50 ]; do echo '{"finding":{"verdict":"warn","text":"w","advice":""}}'; i=$((i+1)); done; )" +
      done);
  CHECK(result.verdict == Verdict::warn);
  CHECK(result.findings.size() + result.findings_left_out == 50);
  CHECK(result.findings_left_out > 0);
}

TEST_CASE("child check: exit, crash and hang are told with what was being done") {
  const std::string now = R"(echo '{"now":{"who":"the first","what":"save"}}'; )";
  CHECK(first_text(result_of(now + "exit 5")) == "it ended the process (exit code 5) while: the first: save");
  CHECK(first_text(result_of(now + "kill -SEGV $$")) ==
        "it crashed: Segmentation fault (SIGSEGV) while: the first: save");
  CHECK(first_text(result_of(now + "exec sleep 100", std::chrono::seconds(1))) ==
        "it did not end within 1s while: the first: save");
}

TEST_CASE("child check: a crash after the end is told, with what it printed") {
  const CheckResult result = result_of(done + "echo 'a last word' >&2; kill -ABRT $$");
  CHECK(first_text(result) == "it crashed: Aborted (SIGABRT) as the process ended, after it was unloaded");
  CHECK(result.notes == std::vector<std::string>{"it printed: a last word "});
}

TEST_CASE("child check: lines that no check writes end it") {
  for (const char* const line : {"echo hello", R"(echo '{"now":5}')", R"(echo '{"finding":[]}')", "echo '{}'",
                                 R"(printf '\377\376\n')", "head -c 3000000 /dev/zero"}) {
    CAPTURE(line);
    CHECK(first_text(result_of(std::string(line) + "; exec sleep 100")) == "it disturbed its own report");
  }
}

TEST_CASE("child check: a process that the child leaves behind does not hold the result up") {
  CHECK(result_of("sleep 100 & " + done).verdict == Verdict::pass);
}

}  // namespace child_check_test
}  // namespace perch::check
