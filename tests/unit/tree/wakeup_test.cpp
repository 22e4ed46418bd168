// Sleeping readers: each commit and each nudge gets through. A lost wake-up shows as a wait that ran into its
// time-out, which is far beyond anything a slow machine could explain.
#include <atomic>
#include <chrono>
#include <thread>

#include "support.hpp"

namespace perch::tree::test {

namespace wakeup_test {

constexpr std::int64_t timeout_ns = 60'000'000'000;

bool took_the_timeout(std::chrono::steady_clock::time_point since) {
  return std::chrono::steady_clock::now() - since > std::chrono::nanoseconds(timeout_ns / 2);
}

/// Sleeps as a reader does, until a version other than `seen` is published, a nudge comes, or the time is
/// over.
void wait_for_commit(const ReadSide& reads, Version seen, std::int64_t timeout_ns_max) {
  const std::uint32_t signal = reads.signal();
  if (reads.published_version() == seen) reads.wait_for_signal(signal, timeout_ns_max);
}

TEST_CASE("wake-up: no commit is slept through") {
  auto store = make_store();
  std::atomic<Version> acknowledged{0};
  std::atomic<bool> lost{false};
  constexpr Version commits = 20000;
  std::thread sleeper([&] {
    Version seen = 0;
    while (seen < commits && !lost.load()) {
      const auto since = std::chrono::steady_clock::now();
      wait_for_commit(store->reads(), seen, timeout_ns);
      if (took_the_timeout(since)) lost.store(true);
      seen = store->reads().published_version();
      acknowledged.store(seen);
    }
  });
  for (Version version = 1; version <= commits && !lost.load(); ++version) {
    while (acknowledged.load() + 1 < version && !lost.load()) {
      std::this_thread::yield();  // one commit in flight: each must wake
    }
    store->commit(0, {});
  }
  sleeper.join();
  CHECK_FALSE(lost.load());
}

TEST_CASE("wake-up: no nudge is slept through when the signal is taken before looking") {
  auto store = make_store();
  std::atomic<std::uint64_t> command{0};
  std::atomic<std::uint64_t> obeyed{0};
  std::atomic<bool> lost{false};
  constexpr std::uint64_t commands = 20000;
  std::thread sleeper([&] {
    for (std::uint64_t done = 0; done < commands && !lost.load();) {
      const std::uint32_t signal = store->reads().signal();
      if (command.load() > done) {
        obeyed.store(++done);
        continue;
      }
      const auto since = std::chrono::steady_clock::now();
      store->reads().wait_for_signal(signal, timeout_ns);
      if (took_the_timeout(since)) lost.store(true);
    }
  });
  for (std::uint64_t number = 1; number <= commands && !lost.load(); ++number) {
    command.store(number);
    store->reads().wake_sleepers();
    while (obeyed.load() < number && !lost.load()) std::this_thread::yield();
  }
  sleeper.join();
  CHECK_FALSE(lost.load());
}

TEST_CASE("wake-up: a commit wakes every sleeper") {
  auto store = make_store();
  constexpr int sleepers = 6;
  std::atomic<int> awake{0};
  std::atomic<bool> lost{false};
  std::vector<std::thread> threads;
  for (int i = 0; i < sleepers; ++i) {
    threads.emplace_back([&] {
      for (Version seen = 0; seen < 200 && !lost.load(); ++seen) {
        const auto since = std::chrono::steady_clock::now();
        while (store->reads().published_version() == seen && !lost.load()) {
          wait_for_commit(store->reads(), seen, timeout_ns);
          if (took_the_timeout(since)) lost.store(true);
        }
        awake.fetch_add(1);
      }
    });
  }
  for (int version = 1; version <= 200 && !lost.load(); ++version) {
    store->commit(0, {});
    while (awake.load() < version * sleepers && !lost.load()) std::this_thread::yield();
  }
  for (std::thread& thread : threads) thread.join();
  CHECK_FALSE(lost.load());
}

TEST_CASE("wake-up: waiting ends by itself, and does not begin when there is something new") {
  auto store = make_store();
  wait_for_commit(store->reads(), 0, 1000);  // nothing comes: the time is over
  wait_for_commit(store->reads(), 0, 0);
  wait_for_commit(store->reads(), 0, -5);
  store->commit(0, {});
  const auto since = std::chrono::steady_clock::now();
  wait_for_commit(store->reads(), 0, timeout_ns);  // version 1 is not version 0
  const std::uint32_t signal = store->reads().signal();
  store->reads().wake_sleepers();
  store->reads().wait_for_signal(signal, timeout_ns);  // the nudge was before the wait
  CHECK_FALSE(took_the_timeout(since));
}

}  // namespace wakeup_test
}  // namespace perch::tree::test
