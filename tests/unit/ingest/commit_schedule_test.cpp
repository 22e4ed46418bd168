#include "ingest/commit_schedule.hpp"

#include <doctest/doctest.h>

using namespace perch::ingest;
using namespace std::chrono_literals;

namespace {
const CommitSchedule::TimePoint start{1h};
}

TEST_CASE("commit schedule: without rows nothing is due, however long ago the last commit was") {
  const CommitSchedule schedule(256, 1ms, start);
  CHECK_FALSE(schedule.is_due(start + 24h));
  CHECK_FALSE(schedule.is_full());
}

TEST_CASE("commit schedule: a row that comes after a pause waits for nothing") {
  CommitSchedule schedule(256, 10ms, start);
  schedule.committed(start);
  schedule.row_applied();
  CHECK(schedule.is_due(start + 10ms));
  CHECK(schedule.is_due(start + 1h));
}

TEST_CASE("commit schedule: rows that follow a commit gather until max_delay after it, no row waits longer") {
  CommitSchedule schedule(256, 10ms, start);
  schedule.row_applied();
  CHECK_FALSE(schedule.is_due(start + 4ms));
  CHECK(schedule.time_left(start + 4ms) == 6ms);
  schedule.row_applied();
  CHECK(schedule.is_due(start + 10ms));
  schedule.committed(start + 11ms);
  CHECK(schedule.rows() == 0);
  schedule.row_applied();
  CHECK_FALSE(schedule.is_due(start + 20ms));
  CHECK(schedule.time_left(start + 20ms) == 1ms);
}

TEST_CASE("commit schedule: max_rows rows are full, whatever the time") {
  CommitSchedule schedule(2, 1h, start);
  schedule.row_applied();
  CHECK_FALSE(schedule.is_full());
  schedule.row_applied();
  CHECK(schedule.is_full());
  CHECK_FALSE(schedule.is_due(start));
  schedule.committed(start);
  CHECK_FALSE(schedule.is_full());
}

TEST_CASE("commit schedule: max_rows 1 commits each row, max_delay 0 whatever is there") {
  CommitSchedule each(1, 1h, start);
  each.row_applied();
  CHECK(each.is_full());
  CommitSchedule at_once(256, 0ns, start);
  at_once.row_applied();
  CHECK(at_once.is_due(start));
}
