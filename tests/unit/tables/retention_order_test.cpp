// InsertionRing and RankHeap against plain containers, with entries that go stale and are swept.
#include <doctest/doctest.h>

#include <map>
#include <random>
#include <set>
#include <tuple>

#include "tables/insertion_ring.hpp"
#include "tables/rank_heap.hpp"

using perch::tables::InsertionRing;
using perch::tables::RankHeap;

TEST_CASE("the ring gives out entries in order of insertion, swept or not") {
  std::mt19937_64 random(1);
  for (int round = 0; round < 50; ++round) {
    InsertionRing ring(2);
    std::map<std::uint64_t, bool> model;  // sequence → live; what was swept away is gone
    std::uint64_t sequence = 0;
    for (int step = 0; step < 4000; ++step) {
      const auto action = random() % 10;
      if (action < 5) {
        const std::uint64_t key[2] = {++sequence * 3, sequence * 5};
        ring.push({0, sequence, key, nullptr});
        model[sequence] = true;
      } else if (action < 7 && !model.empty()) {
        auto victim = model.lower_bound(random() % (sequence + 1));
        if (victim != model.end()) victim->second = false;
      } else if (action < 8 && ring.size() > 0) {
        // The ring may have swept stale entries that the model still has: none of them may have been live.
        while (model.begin()->first != ring.front_sequence()) {
          REQUIRE_FALSE(model.begin()->second);
          model.erase(model.begin());
        }
        CHECK(ring.front_key()[0] == ring.front_sequence() * 3);
        CHECK(ring.front_key()[1] == ring.front_sequence() * 5);
        model.erase(model.begin());
        ring.pop();
      } else {
        ring.sweep(random() % 20, [&](std::uint64_t entry, const std::uint64_t* key) {
          CHECK(key[0] == entry * 3);
          return model.at(entry);
        });
      }
    }
    std::uint64_t live = 0;
    for (const auto& [entry, is_live] : model) live += is_live ? 1 : 0;
    CHECK(ring.size() >= live);
    CHECK(ring.size() <= model.size());
    for (int pass = 0; pass < 3; ++pass) {  // the one under way, then a whole one
      ring.sweep(1 + ring.size(), [&](std::uint64_t entry, const std::uint64_t*) { return model.at(entry); });
    }
    CHECK(ring.size() == live);
    for (const auto& [entry, is_live] : model) {
      if (!is_live) continue;
      REQUIRE(ring.size() > 0);
      CHECK(ring.front_sequence() == entry);
      ring.pop();
    }
    CHECK(ring.size() == 0);
  }
}

TEST_CASE("the ring's memory stays as it is while it holds steady") {
  InsertionRing ring(1);
  std::uint64_t sequence = 0;
  for (; sequence < 1000; ++sequence) ring.push({0, sequence, &sequence, nullptr});
  const std::uint64_t capacity = ring.capacity();
  CHECK(capacity == 1024);
  for (; sequence < 100'000; ++sequence) {
    CHECK(ring.front_sequence() == sequence - 1000);
    ring.pop();
    ring.push({0, sequence, &sequence, nullptr});
  }
  CHECK(ring.capacity() == capacity);
}

TEST_CASE("the heap gives out entries by rank, then sequence, swept or not") {
  std::mt19937_64 random(2);
  for (int round = 0; round < 50; ++round) {
    RankHeap heap(1);
    std::set<std::pair<std::uint64_t, std::uint64_t>> live;
    std::map<std::uint64_t, std::uint64_t> rank_of;  // every sequence ever
    std::uint64_t sequence = 0;
    const auto is_live = [&](std::uint64_t entry, const std::uint64_t* key) {
      CHECK(*key == entry * 7);
      return live.contains({rank_of.at(entry), entry});
    };
    for (int step = 0; step < 4000; ++step) {
      const auto action = random() % 10;
      if (action < 5) {
        const std::uint64_t rank = random() % 100;
        const std::uint64_t key = ++sequence * 7;
        heap.push({rank, sequence, &key, nullptr});
        rank_of[sequence] = rank;
        live.insert({rank, sequence});
      } else if (action < 7 && !live.empty()) {
        live.erase(
            std::next(live.begin(), static_cast<long>(random() % std::min<std::size_t>(live.size(), 10))));
      } else if (action < 8) {
        while (heap.size() > 0 && !is_live(heap.front_sequence(), heap.front_key())) heap.pop();
        REQUIRE((heap.size() == 0) == live.empty());
        if (live.empty()) continue;
        CHECK(std::pair(heap.front_rank(), heap.front_sequence()) == *live.begin());
        heap.pop();
        live.erase(live.begin());
      } else {
        heap.sweep(random() % 20, is_live);
      }
      CHECK(heap.size() >= live.size());
    }
    for (int pass = 0; pass < 20; ++pass) heap.sweep(heap.size(), is_live);
    CHECK(heap.size() == live.size());
    for (const auto& [rank, entry] : live) {
      REQUIRE(heap.size() > 0);
      CHECK(std::pair(heap.front_rank(), heap.front_sequence()) == std::pair(rank, entry));
      heap.pop();
    }
  }
}
