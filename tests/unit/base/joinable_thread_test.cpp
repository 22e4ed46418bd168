// Threads: names, ends that are waited for, and what happens when the system has none left.
#include "base/joinable_thread.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>

#include "unit/no_threads.hpp"
#include "unit/test_files.hpp"

namespace perch {
namespace joinable_thread_test {

using namespace std::chrono_literals;
using namespace perch::test;

std::string own_name() {
  char name[16] = {};
  pthread_getname_np(pthread_self(), name, sizeof name);
  return name;
}

TEST_CASE("a thread has its name, cut to what the system shows") {
  std::string name;
  JoinableThread thread;
  REQUIRE(thread.start("a name of many bytes", [&] { name = own_name(); }));
  CHECK(thread.is_joinable());
  thread.join();
  CHECK(name == "a name of many ");
  CHECK_FALSE(thread.is_joinable());
  thread.join();  // of one that is over: nothing
}

TEST_CASE("a wait for a thread's end is bounded, and can be made again") {
  std::atomic<bool> may_end{false};
  JoinableThread thread;
  REQUIRE(thread.start("waits", [&] { may_end.wait(false); }));
  const auto began = std::chrono::steady_clock::now();
  CHECK_FALSE(thread.join_within(20ms));
  CHECK(std::chrono::steady_clock::now() - began >= 20ms);
  CHECK(thread.is_joinable());
  may_end = true;
  may_end.notify_all();
  CHECK(thread.join_within(30s));
}

TEST_CASE("a thread that cannot be made is an error that says what to do, and one can be made later") {
  JoinableThread thread;
  bool has_run = false;
  {
    const NoThreads none;
    const auto started = thread.start("src:trades", [&] { has_run = true; });
    REQUIRE_FALSE(started);
    CHECK(started.error().kind == ErrorKind::exhausted);
    CHECK(has(started.error().message, "no thread src:trades: Resource temporarily unavailable; raise"));
  }
  CHECK_FALSE(thread.is_joinable());
  REQUIRE(thread.start("src:trades", [&] { has_run = true; }));
  thread.join();
  CHECK(has_run);
}

TEST_CASE("a supply's threads take the names they are given, and its spare one ends with it") {
  ThreadSupply supply;
  supply.make_ready();
  for (const char* const wanted : {"first", "second"}) {
    std::string name;
    JoinableThread thread;
    REQUIRE(supply.start(thread, wanted, [&] { name = own_name(); }));
    thread.join();
    CHECK(name == wanted);
  }
}

TEST_CASE("a supply without a spare thread says so when one is wanted") {
  ThreadSupply supply;
  JoinableThread thread;
  const NoThreads none;
  supply.make_ready();
  CHECK_FALSE(supply.start(thread, "reader", [] {}));
}

}  // namespace joinable_thread_test
}  // namespace perch
