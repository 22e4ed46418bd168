#include "readers/reader_state.hpp"

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <map>
#include <set>
#include <string>

#include "readers/reader.hpp"

namespace perch::readers::test {
namespace reader_state_test {

using enum ReaderState;

/// As a person would tell it: what happens to a reader, and where it is then.
const std::map<ReaderState, std::set<ReaderState>> legal{
    {starting, {running, failed, restarting, quarantined, disabled}},
    {running, {swapping, failed, restarting, quarantined, disabled}},
    {swapping, {running, probation, failed, restarting, quarantined}},  // back, or on to the verdict
    {probation, {running, disabled}},  // a fault brings the old one back first
    {failed, {running, swapping, disabled}},
    {restarting, {running, swapping, failed, restarting, quarantined, disabled}},
    {quarantined, {running, swapping, disabled}},
    {disabled, {running}},  // enable alone ends it
};

/// The parts of a good reader in this state.
ReaderParts parts_in(ReaderState state) {
  ReaderParts parts;
  parts.library = state == running || state == probation || state == restarting;
  parts.instance = state == running || state == probation;
  parts.probation = parts.suspended = state == probation;
  parts.restart_time = state == restarting;
  return parts;
}

constexpr bool ReaderParts::*all_parts[] = {&ReaderParts::library,      &ReaderParts::instance,
                                            &ReaderParts::probation,    &ReaderParts::suspended,
                                            &ReaderParts::restart_time, &ReaderParts::checkpoint};

TEST_CASE("states: each may be followed by those that it is known to be followed by, and by no other") {
  for (const ReaderState before : reader_states) {
    for (const ReaderState next : reader_states) {
      CAPTURE(to_string(before));
      CAPTURE(to_string(next));
      CHECK(may_follow(before, next) == legal.at(before).contains(next));
    }
  }
}

TEST_CASE("states: a reader that is added can get to every other one, and back to running") {
  const auto reachable_from = [](ReaderState first) {
    std::set<ReaderState> reached;
    std::set<ReaderState> at{first};
    while (!at.empty()) {
      std::set<ReaderState> further;
      for (const ReaderState before : at) {
        for (const ReaderState next : reader_states) {
          if (may_follow(before, next) && reached.insert(next).second) further.insert(next);
        }
      }
      at = further;
    }
    return reached;
  };
  CHECK(reachable_from(starting).size() == reader_states.size() - 1);  // it starts but once
  for (const ReaderState state : reader_states) CHECK(reachable_from(state).contains(running));
}

TEST_CASE("states: their names are the protocol's, one each") {
  std::set<std::string> names;
  for (const ReaderState state : reader_states) names.insert(to_string(state));
  CHECK(names == std::set<std::string>{"starting", "running", "swapping", "probation", "failed", "restarting",
                                       "quarantined", "disabled"});
}

TEST_CASE("states: a reader has the parts that its state needs, and no other") {
  for (const ReaderState state : reader_states) {
    if (state == starting || state == swapping) continue;
    const ReaderParts good = parts_in(state);
    CAPTURE(to_string(state));
    CHECK(problem_of(state, good) == "");
    for (const auto part : all_parts) {
      ReaderParts other = good;
      other.*part = !(other.*part);
      const bool is_resting = state == failed || state == restarting || state == quarantined;
      const bool may_be = part == &ReaderParts::checkpoint && is_resting;
      CHECK((problem_of(state, other) == "") == may_be);
    }
  }
  CHECK(problem_of(running, parts_in(disabled)) == "running without a library");
  CHECK(problem_of(restarting, parts_in(running)) == "restarting with an instance");
}

TEST_CASE("states: a reader that is being swapped has the parts of any state that a swap begins in") {
  for (const ReaderState before : reader_states) {
    if (!may_follow(before, swapping)) continue;
    CAPTURE(to_string(before));
    ReaderParts parts = parts_in(before);
    CHECK(problem_of(swapping, parts) == "");
    parts.checkpoint = true;
    CHECK(problem_of(swapping, parts) == "");
  }
  CHECK(problem_of(swapping, parts_in(probation)) == "swapping with a probation");
  ReaderParts without_code;
  without_code.instance = true;
  CHECK(problem_of(swapping, without_code) == "swapping with an instance but no library");
}

TEST_CASE("states: a reader is not shown before it has started") {
  CHECK(problem_of(starting, {}) == "shown while starting");
}

TEST_CASE("a reader's parts are looked at as they are, and the time of a restart goes with the wait for it") {
  Reader reader({"sums", "sums"}, "/plugins/sums.so", "1.0", {});
  CHECK(reader.check() == "shown while starting");
  reader.become(disabled);
  CHECK(reader.check() == "");
  reader.restart_at = SteadyTime::clock::now();
  CHECK(reader.check() == "disabled with a time for its restart");
  reader.become(running);
  CHECK_FALSE(reader.restart_at);
  CHECK(reader.check() == "running without a library");
  reader.become(restarting);
  reader.restart_at = SteadyTime::clock::now();
  reader.become(swapping);
  CHECK(reader.restart_at);  // a swap that fails goes back to waiting for it
  CHECK(reader.check() == "");
  reader.probation.emplace();
  CHECK(reader.check() == "swapping with a probation");
}

TEST_CASE("a reader that goes to a state that may not follow ends the process") {
  const pid_t child = fork();
  if (child == 0) {
    std::signal(SIGABRT, SIG_DFL);  // not the test program's own handler
    ::close(STDERR_FILENO);
    Reader reader({"sums", "sums"}, "/plugins/sums.so", "1.0", {});
    reader.become(probation);
    _exit(0);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(WIFSIGNALED(status));
  CHECK(WTERMSIG(status) == SIGABRT);
}

}  // namespace reader_state_test
}  // namespace perch::readers::test
