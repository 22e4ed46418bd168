#include <doctest/doctest.h>

#include <chrono>
#include <string_view>

#include "instances/live_stats.hpp"

namespace perch::instances {
namespace callback_note_test {

using namespace std::chrono_literals;
using Clock = CallbackNote::Clock;

TEST_CASE("a callback is noted from its begin to its end") {
  CallbackNote note;
  CHECK(note.name() == nullptr);
  CHECK(note.running_for() == 0ns);
  const auto began = Clock::now() - 1h;
  note.begin("on_commit", began);
  CHECK(note.name() == std::string_view("on_commit"));
  CHECK(note.began_ns() == std::chrono::nanoseconds(began.time_since_epoch()).count());
  CHECK(note.running_for() >= 1h);
  note.end();
  CHECK(note.name() == nullptr);
  CHECK(note.running_for() == 0ns);
}

TEST_CASE("a callback that began after the look at the clock has not run for a negative time") {
  CallbackNote note;
  note.begin("on_commit", Clock::now() + 1h);
  CHECK(note.running_for() == 0ns);
}

}  // namespace callback_note_test
}  // namespace perch::instances
