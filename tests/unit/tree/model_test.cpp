// The tree against std::map, step by step, over a million random operations in many shapes.
#include <string>

#include "lock_step.hpp"

namespace perch::tree::test {

namespace model_test {

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

TEST_CASE("tree: small trees equal std::map and pass the verifier after every step") {
  run_all(
      {
          {"three by three", {{shape(1, 8, 3, 3), KeyKind::sequential, 60}}, 8000, 1, 50, 6},
          {"three by three, 20 keys", {{shape(1, 32, 3, 3), KeyKind::random, 20}}, 8000, 1, 150, 8},
          {"four by three, edge keys", {{shape(2, 1, 4, 3), KeyKind::edges, 36}}, 8000, 1, 80, 4},
          {"three by four, edge keys", {{shape(8, 8, 3, 4), KeyKind::edges, 200}}, 8000, 1, 20, 4},
          {"five by eight", {{shape(1, 32, 5, 8), KeyKind::random, 150}}, 8000, 1, 60, 6},
          {"eight by five", {{shape(2, 8, 8, 5), KeyKind::sequential, 150}}, 8000, 1, 60, 6},
          {"clustered", {{shape(2, 32, 4, 4), KeyKind::clustered, 90}}, 8000, 1, 30, 4},
          {"three tables",
           {{shape(1, 8, 3, 3), KeyKind::random, 40},
            {shape(8, 200, 4, 3), KeyKind::clustered, 40},
            {shape(2, 1, 3, 4), KeyKind::sequential, 40}},
           8000,
           1,
           60,
           6},
          {"default fan-out", {{shape(1, 32), KeyKind::random, 100}}, 6000, 1, 40, 4},
          {"large values", {{shape(1, 4096, 3, 3), KeyKind::random, 40}}, 6000, 1, 40, 3},
          {"values just outside", {{shape(2, 257, 4, 3), KeyKind::sequential, 80}}, 6000, 1, 40, 4},
          {"values just inside", {{shape(2, 256, 3, 4), KeyKind::clustered, 60}}, 6000, 1, 40, 4},
          {"prefixed, two words", {{shape(2, 8, 3, 3), KeyKind::prefixed, 9}}, 6000, 1, 80, 4},
          {"prefixed, three words", {{shape(3, 300, 3, 3), KeyKind::prefixed, 27}}, 6000, 1, 80, 4},
          {"prefixed, eight words", {{shape(8, 8, 4, 4), KeyKind::prefixed, 81}}, 8000, 1, 50, 4},
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
          {"prefixed, three words", {{shape(3, 8, 5, 5), KeyKind::prefixed, 27}}, 30000, 1000, 20, 4},
          {"prefixed, eight words", {{shape(8, 32), KeyKind::prefixed, 6561}}, 90000, 10000, 20, 4},
          {"300 bytes", {{shape(1, 300), KeyKind::random, 6000}}, 60000, 10000, 50, 3},
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
  enum class Evict { row_by_row, first_rows, range };
  for (const std::uint32_t leaf_rows : {3U, 0U}) {
    for (const std::uint32_t value_bytes : {32U, 300U}) {
      for (const Evict evict : {Evict::row_by_row, Evict::first_rows, Evict::range}) {
        INFO("leaf_rows ", leaf_rows, ", value_bytes ", value_bytes, ", evict ", static_cast<int>(evict));
        LockStep lock_step(11, {{shape(1, value_bytes, leaf_rows, leaf_rows), KeyKind::sequential, 1}});
        std::uint64_t live_bytes_max = 0;
        for (std::uint64_t i = 0; i < 8000 / brevity; ++i) {
          lock_step.upsert(0, key_of(i));
          if (i % 16 == 0) lock_step.commit();
          if (i % 1000 == 0) lock_step.check();
          if (i == 2000 / brevity) live_bytes_max = lock_step.store().stats().live_bytes * 2;
          if (i > 2000 / brevity)
            expect(lock_step.store().stats().live_bytes <= live_bytes_max, "the window's memory grows");
          if (i < 500 / brevity) continue;
          const std::uint64_t end = i - 500 / brevity;
          if (evict == Evict::row_by_row) {
            lock_step.erase(0, key_of(end));
          } else if (i % 37 == 0) {
            if (evict == Evict::first_rows)
              lock_step.erase_first(0, lock_step.model(0).size() - 500 / brevity);
            if (evict == Evict::range) lock_step.erase_range(0, {}, {TestBound::exclusive, key_of(end)});
          }
        }
        lock_step.hold();
        lock_step.compare_published();
        lock_step.check();
        lock_step.erase_first(0, UINT64_MAX);
        lock_step.commit();
        lock_step.check();
        lock_step.compare_held();
      }
    }
  }
}

TEST_CASE("tree: every kind of range goes out of every kind of tree, with snapshots held across it") {
  for (const KeyKind keys : {KeyKind::sequential, KeyKind::random, KeyKind::prefixed, KeyKind::edges}) {
    for (const std::uint32_t key_words : {1U, 2U, 8U}) {
      for (const std::uint32_t fan_out : {3U, 0U}) {
        for (const std::uint32_t value_bytes : {8U, 300U}) {
          INFO("keys ", static_cast<int>(keys), ", key_words ", key_words, ", fan-out ", fan_out,
               ", value_bytes ", value_bytes);
          const std::uint64_t domain = 900;
          LockStep lock_step(key_words + fan_out,
                             {{shape(key_words, value_bytes, fan_out, fan_out), keys, domain}});
          Random& random = lock_step.random();
          for (std::uint64_t round = 0; round < 12 / brevity + 1; ++round) {
            while (lock_step.model(0).size() < std::min<std::size_t>(domain / 3, round * 40)) {
              const std::size_t before = lock_step.model(0).size();
              for (int i = 0; i < 40; ++i) lock_step.upsert(0, lock_step.random_key(0));
              if (lock_step.model(0).size() == before) break;  // few words have few different keys
            }
            lock_step.hold();
            for (int i = 0; i < 4; ++i) {
              TestBound bounds[2];
              for (TestBound& bound : bounds)
                bound = {static_cast<TestBound::Kind>(random.below(3)), lock_step.random_key(0)};
              if (random.chance(70) && bounds[0].key > bounds[1].key) std::swap(bounds[0].key, bounds[1].key);
              lock_step.erase_range(0, bounds[0], bounds[1]);
              lock_step.check();
              lock_step.upsert(0, lock_step.random_key(0));
              lock_step.upsert(0, bounds[0].key);
              lock_step.check();
              if (random.chance(40)) lock_step.hold();
            }
            lock_step.hold();
            lock_step.diff_held();
            lock_step.diff_held();
            lock_step.compare_published();
            if (round > 4) lock_step.release_one();
          }
          lock_step.release_all();
          lock_step.erase_range(0, {}, {});
          lock_step.commit();
          lock_step.store().reclaim_all();
          lock_step.check();
          CHECK(lock_step.store().stats().retained_bytes == 0);
        }
      }
    }
  }
}

}  // namespace model_test
}  // namespace perch::tree::test
