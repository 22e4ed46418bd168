// The tree against std::map, step by step, over a million random operations in many shapes.
#include <string>

#include "lock_step.hpp"

namespace perch::tree::test {

namespace {

struct Scenario {
  const char* name;
  std::vector<TablePlan> tables;
  std::uint64_t steps;        ///< in all phases together
  std::uint64_t check_every;  ///< 1: after each step
  std::uint64_t commit_per_mille;
  std::size_t held_max;
};

TableShape shape(std::uint32_t key_words, std::uint32_t value_bytes, std::uint32_t leaf_rows = 0,
                 std::uint32_t inner_children = 0) {
  return {key_words, value_bytes, leaf_rows, inner_children};
}

void run(const Scenario& scenario, std::uint64_t seed) {
  INFO("scenario ", scenario.name, ", seed ", seed);
  LockStep lock_step(seed, scenario.tables);
  // Grow, churn, shrink, down to nothing, and up again from there.
  static constexpr std::uint64_t upsert_percents[] = {85, 50, 15, 100, 50, 5};
  std::uint64_t step = 0;
  for (const std::uint64_t upsert_percent : upsert_percents) {
    for (const std::uint64_t end = step + scenario.steps / 6 / brevity; step < end; ++step) {
      INFO("step ", step);
      lock_step.random_step(upsert_percent, scenario.commit_per_mille, scenario.held_max);
      if (step % scenario.check_every == 0) lock_step.check();
    }
    lock_step.commit();
    lock_step.compare_published();
    if (upsert_percent == 15) lock_step.drain(scenario.check_every == 1);
  }
  lock_step.drain(scenario.check_every == 1);
  lock_step.release_all();
  lock_step.store().reclaim_all();
  lock_step.check();
  CHECK(lock_step.store().stats().retained_bytes == 0);
}

void run_all(const std::vector<Scenario>& scenarios, std::uint64_t first_seed) {
  for (const Scenario& scenario : scenarios)
    for (std::uint64_t i = 0; i < soak_factor(); ++i) run(scenario, first_seed + i);
}

}  // namespace

TEST_CASE("tree: small trees equal std::map and pass the verifier after every step") {
  run_all(
      {
          {"three by three", {{shape(1, 8, 3, 3), KeyKind::sequential, 60}}, 12000, 1, 50, 6},
          {"three by three, 20 keys", {{shape(1, 32, 3, 3), KeyKind::random, 20}}, 12000, 1, 150, 8},
          {"four by three, edge keys", {{shape(2, 1, 4, 3), KeyKind::edges, 36}}, 12000, 1, 80, 4},
          {"three by four, edge keys", {{shape(8, 8, 3, 4), KeyKind::edges, 200}}, 12000, 1, 20, 4},
          {"five by eight", {{shape(1, 32, 5, 8), KeyKind::random, 150}}, 12000, 1, 60, 6},
          {"eight by five", {{shape(2, 8, 8, 5), KeyKind::sequential, 150}}, 12000, 1, 60, 6},
          {"clustered", {{shape(2, 32, 4, 4), KeyKind::clustered, 90}}, 12000, 1, 30, 4},
          {"three tables",
           {{shape(1, 8, 3, 3), KeyKind::random, 40},
            {shape(8, 200, 4, 3), KeyKind::clustered, 40},
            {shape(2, 1, 3, 4), KeyKind::sequential, 40}},
           12000,
           1,
           60,
           6},
          {"default fan-out", {{shape(1, 32), KeyKind::random, 100}}, 6000, 1, 40, 4},
          {"large values", {{shape(1, 4096, 3, 3), KeyKind::random, 40}}, 6000, 1, 40, 3},
      },
      1000);
}

TEST_CASE("tree: large trees equal std::map over a million operations") {
  run_all(
      {
          {"default, random keys", {{shape(1, 32), KeyKind::random, 30000}}, 260000, 10000, 10, 4},
          {"default, commit after each few", {{shape(1, 32), KeyKind::random, 5000}}, 120000, 10000, 400, 4},
          {"three by three", {{shape(1, 8, 3, 3), KeyKind::random, 5000}}, 150000, 10000, 30, 4},
          {"seven by six", {{shape(1, 8, 7, 6), KeyKind::random, 5000}}, 100000, 10000, 30, 4},
          {"four by four, sequential",
           {{shape(2, 8, 4, 4), KeyKind::sequential, 10000}},
           120000,
           10000,
           5,
           4},
          {"clustered, two words", {{shape(2, 32), KeyKind::clustered, 20000}}, 120000, 10000, 20, 4},
          {"edges, eight words", {{shape(8, 200), KeyKind::edges, 40000}}, 90000, 10000, 20, 3},
          {"one byte", {{shape(1, 1), KeyKind::random, 20000}}, 120000, 10000, 3, 4},
          {"4096 bytes", {{shape(2, 4096), KeyKind::clustered, 2000}}, 40000, 10000, 50, 2},
          {"three tables",
           {{shape(1, 8), KeyKind::random, 4000},
            {shape(8, 32, 3, 3), KeyKind::random, 2000},
            {shape(2, 200, 4, 4), KeyKind::sequential, 2000}},
           120000,
           10000,
           20,
           4},
      },
      2000);
}

TEST_CASE("tree: sweeps in order, up and down, in and out") {
  for (const auto& [leaf_rows, inner_children] :
       {std::pair(3U, 3U), std::pair(4U, 3U), std::pair(3U, 4U), std::pair(0U, 0U)}) {
    for (int in_order = 0; in_order < 2; ++in_order) {
      for (int out_order = 0; out_order < 4; ++out_order) {
        INFO("leaf_rows ", leaf_rows, ", in ", in_order, ", out ", out_order);
        const std::uint64_t rows = leaf_rows ? 300 : 5000;
        const std::uint64_t check_every = leaf_rows ? 1 : 500;
        LockStep lock_step(7, {{shape(1, 8, leaf_rows, inner_children), KeyKind::sequential, rows}});
        for (std::uint64_t i = 0; i < rows; ++i) {
          lock_step.upsert(0, key_of(in_order ? rows - i : i));
          if (i % 20 == 0) lock_step.commit();
          if (i % check_every == 0) lock_step.check();
        }
        lock_step.hold();
        for (std::uint64_t i = 0; i < rows + 1; ++i) {
          // out: ascending, descending, from both ends, from the middle outwards
          const std::uint64_t middle = rows / 2;
          const std::uint64_t key = out_order == 0   ? i
                                    : out_order == 1 ? rows - i
                                    : out_order == 2 ? (i % 2 ? rows - i / 2 : i / 2)
                                                     : (i % 2 ? middle + i / 2 + 1 : middle - i / 2);
          lock_step.erase(0, key_of(key));
          if (i % 20 == 0) lock_step.commit();
          if (i % check_every == 0) lock_step.check();
        }
        CHECK(lock_step.model(0).empty());
        lock_step.commit();
        lock_step.check();
        lock_step.compare_published();
        lock_step.compare_held();
        lock_step.release_all();
      }
    }
  }
}

TEST_CASE("tree: a sliding window appends at one end and erases at the other") {
  for (const std::uint32_t leaf_rows : {3U, 0U}) {
    LockStep lock_step(11, {{shape(1, 32, leaf_rows, leaf_rows), KeyKind::sequential, 1}});
    std::uint64_t live_bytes_max = 0;
    for (std::uint64_t i = 0; i < 20000; ++i) {
      lock_step.upsert(0, key_of(i));
      if (i >= 500) lock_step.erase(0, key_of(i - 500));
      if (i % 16 == 0) lock_step.commit();
      if (i % 1000 == 0) lock_step.check();
      if (i == 2000) live_bytes_max = lock_step.store().stats().live_bytes * 2;
      if (i > 2000)
        expect(lock_step.store().stats().live_bytes <= live_bytes_max, "the window's memory grows");
    }
    lock_step.compare_held();
    lock_step.commit();
    lock_step.compare_published();
  }
}

}  // namespace perch::tree::test
