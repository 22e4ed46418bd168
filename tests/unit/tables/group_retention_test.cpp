// The last rows of each group, against a model that keeps a list per group.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <list>
#include <map>
#include <random>

#include "tables/catalog.hpp"
#include "tables/table_writer.hpp"
#include "tree/store.hpp"
#include "unit/tables/test_tables.hpp"
#include "unit/test_files.hpp"

using namespace perch;
using namespace perch::tables;

namespace group_retention_test {

using test::bytes_of;
using test::has;

TableSpec spec(RetainSpec retain) {
  return {"rows",
          {{"id", "uint64"}},
          {{"symbol", "char[8]"}, {"rank", "int32"}, {"small", "uint8"}},
          std::move(retain)};
}

struct Value {
  char symbol[8];
  std::int32_t rank;
  std::uint8_t small;
  std::uint8_t padding[3];
};

struct Held {
  std::uint64_t id;
  std::int32_t rank;
};

void compare(bool by_rank) {
  RetainSpec retain{7, {}, {}, {"symbol", "small"}};
  if (by_rank) retain.by = "rank";
  auto catalog = Catalog::make({spec(retain)});
  REQUIRE_MESSAGE(catalog, catalog.error().message);
  auto store = *tree::Store::create({64u << 20, tree::commit_with_fallocate, false});
  TableWriter writer(*store, *catalog);
  std::mt19937_64 random(3);
  std::map<std::pair<int, int>, std::list<Held>> model;  // oldest first
  std::map<std::uint64_t, std::pair<int, int>> group_of;
  for (int i = 0; i < 30'000; ++i) {
    const std::uint64_t id = random() % 6000;
    std::pair<int, int> group{int(random() % 20), int(random() % 2)};
    Value value{};
    // A row that is there stays in the group that it came with.
    if (const auto there = group_of.find(id); there != group_of.end()) group = there->second;
    std::snprintf(value.symbol, sizeof value.symbol, "s%d", group.first);
    value.small = std::uint8_t(group.second);
    value.rank = std::int32_t(random() % 50) - 25;
    writer.upsert(0, &id, bytes_of(value));
    if (!group_of.contains(id)) {
      auto& rows = model[group];
      auto at = rows.end();
      if (by_rank)
        at = std::find_if(rows.begin(), rows.end(), [&](const Held& held) { return held.rank > value.rank; });
      rows.insert(at, {id, value.rank});
      group_of[id] = group;
    }
    if (random() % 30 != 0) continue;
    writer.retain();
    CHECK_FALSE(writer.is_behind());
    writer.commit(0, {});
    std::uint64_t rows = 0;
    for (auto& [ignored, held] : model) {
      while (held.size() > 7) {
        group_of.erase(held.front().id);
        held.pop_front();
      }
      rows += held.size();
    }
    REQUIRE(store->rows(0) == rows);
    for (const auto& [held, ignored] : group_of) REQUIRE(store->find(0, &held) != nullptr);
  }
  CHECK(store->check().empty());
}

std::string refusal_of(RetainSpec retain) { return test::refusal({spec(std::move(retain))}); }

TEST_CASE("each group keeps its last rows, in order of insertion") { compare(false); }
TEST_CASE("each group keeps its last rows, in the order of a field") { compare(true); }

/// How long it takes to write rows of so many groups, whose names are `name(0)`, `name(1)` …
template <class Name>
std::chrono::duration<double> time_of_groups(std::uint64_t groups, Name name) {
  const TableSpec pairs{
      "pairs", {{"id", "uint64"}}, {{"a", "uint64"}, {"b", "uint64"}}, RetainSpec{1, {}, {}, {"a", "b"}}};
  const Catalog catalog = Catalog::make({pairs}).value();
  const auto store = tree::Store::create({.arena_bytes = std::uint64_t{64} << 20}).value();
  TableWriter writer(*store, catalog);
  const auto begin = std::chrono::steady_clock::now();
  for (std::uint64_t id = 0; id < groups; ++id) {
    const std::array<std::uint64_t, 2> group = name(id);
    REQUIRE(writer.has_room());
    writer.upsert(0, &id, bytes_of(group));
  }
  return std::chrono::steady_clock::now() - begin;
}

TEST_CASE("groups whose names are made to collide cost no more than others") {
  const auto step = [](std::uint64_t hash, std::uint64_t word) {
    hash = (hash ^ word) * 0x9E3779B97F4A7C15u;
    return hash ^ hash >> 32;
  };
  const auto plain = time_of_groups(20'000, [](std::uint64_t id) { return std::array{id, 77 * id}; });
  // The second word undoes what the first one did to a hash without a seed: all groups would share a chain.
  const auto made = time_of_groups(20'000, [&](std::uint64_t id) { return std::array{id, step(0, id)}; });
  CHECK(made.count() < 20 * plain.count() + 0.5);  // with that hash it is 200 times as much
}

TEST_CASE("what is wrong with retention per group is named") {
  CHECK(has(refusal_of({{}, std::chrono::seconds(1), "id", {"symbol"}}), "\"per\" needs \"rows\""));
  CHECK(has(refusal_of({5, {}, {}, {"symbl"}}), "did you mean 'symbol'?"));
  CHECK(refusal_of({5, {}, {}, {"symbol"}}) == "");
}

}  // namespace group_retention_test
