// LockStep: a Store and its model, moved together, with snapshots held and compared again later.
#pragma once

#include <vector>

#include "support.hpp"

namespace perch::tree::test {

/// How index numbers become keys.
enum class KeyKind {
  random,      ///< every word scattered over the whole range
  sequential,  ///< the last word counts: ascending indexes are ascending keys
  clustered,   ///< long common prefixes; neighbours differ in the last word's low bits only
  prefixed,    ///< every word one of three, the first one varying least: prefixes of every length
  edges,  ///< every word one of 0, 1, 2^63 − 1, 2^63, 2^63 + 1, 2^64 − 1: wrong signs and carries show
};

Key make_key(KeyKind kind, std::uint32_t key_words, std::uint64_t index);

struct TablePlan {
  TableShape shape;
  KeyKind keys = KeyKind::random;
  std::uint64_t domain = 1000;  ///< number of different key indexes
};

class LockStep {
 public:
  LockStep(std::uint64_t seed, const std::vector<TablePlan>& plans);

  std::size_t table_count() const { return tables_.size(); }
  const Model& model(std::size_t table) const { return tables_[table].model; }
  Key random_key(std::size_t table);
  Random& random() { return random_; }
  Store& store() { return *store_; }

  /// Each does one operation on both sides and compares what it returned.
  void upsert(std::size_t table, const Key& key);
  void touch(std::size_t table, const Key& key);  ///< upserts an existing row, leaves its value
  void erase(std::size_t table, const Key& key);
  void erase_range(std::size_t table, const TestBound& low, const TestBound& high);
  void erase_first(std::size_t table, std::uint64_t rows);
  void find(std::size_t table, const Key& key);
  void commit();

  void check();              ///< the store's own verifier
  void compare_published();  ///< the last commit, fully
  void hold();               ///< keeps the last commit's snapshot and models
  void compare_held();       ///< a random held version, fully
  void scan_held();          ///< a random range of a random held version
  void diff_held();          ///< two random held versions, either way round
  void release_one();        ///< a random held version, compared before it goes
  void release_all();

  /// A step at random: upserts with `upsert_percent`, erases otherwise; now and then a range erase, a sorted
  /// batch that goes on through the next steps, a commit and what follows it.
  void random_step(std::uint64_t upsert_percent, std::uint64_t commit_per_mille, std::size_t held_max);
  /// Erases all rows of all tables, in one of three orders, committing now and then.
  void drain(bool check_each_step);

 private:
  Key random_row(std::size_t table);
  TestBound random_bound(std::size_t table, const Key& near);
  void look_at_held(std::size_t held_max);
  void erase_some(std::size_t table);
  void begin_batch(std::size_t table);
  void go_on_with_batch(std::uint64_t upsert_percent);
  void write_at(std::size_t table, const Key& key, std::uint64_t upsert_percent);

  struct Table {
    TablePlan plan;
    TableIndex index;
    Model model;
  };
  struct Held {
    SharedSnapshot snapshot;
    std::vector<Model> models;
  };

  Random random_;
  std::unique_ptr<Store> store_;
  std::vector<Table> tables_;
  std::vector<Held> held_;
  struct {
    std::size_t table = 0;
    Key key{};  // its last key
    std::uint64_t left = 0;
  } batch_;
  Version version_ = 0;
};

}  // namespace perch::tree::test
