// FakeHost: the host's side of the binary interface over sorted arrays, small enough to be seen to be right.
// It is unkind where the interface allows it: short runs, a stride wider than the plugin's record, negative
// strides in reverse.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "perch/plugin.h"
#include "perch/snapshot.hpp"
#include "tables/key_codec.hpp"

namespace perch::test {

using Words = std::array<std::uint64_t, 8>;

/// One table of one version: row i is keys[i] and the record at values[i * stride words].
struct FrozenTable {
  const tables::KeyCodec* codec = nullptr;
  std::size_t stride_words = 0;
  std::vector<Words> keys;
  std::vector<std::uint64_t> values;

  const void* value(std::size_t row) const { return values.data() + row * stride_words; }
  std::size_t lower_bound(const Words& key) const;
  std::size_t upper_bound(const Words& key) const;
};

struct FrozenVersion {
  std::uint64_t version = 0;
  std::int64_t time_ns = 0;
  std::vector<FrozenTable> tables;
  const perch_snapshot* c_snapshot() const { return reinterpret_cast<const perch_snapshot*>(this); }
};

class FakeHost {
 public:
  /// Tables in the order of the plugin's manifest.
  explicit FakeHost(const std::vector<const detail::TableFacts*>& tables);
  FakeHost(const FakeHost&) = delete;
  FakeHost& operator=(const FakeHost&) = delete;

  template <class T>
  void put(const typename T::Key& key, const typename T::Value& value) {
    put(index_of(&T::facts), &key, &value, sizeof value);
  }
  template <class T>
  void erase(const typename T::Key& key) {
    erase(index_of(&T::facts), &key);
  }
  /// The version just made; lives as long as the host.
  const FrozenVersion& commit(std::int64_t time_ns = 0);
  const FrozenVersion& empty() const { return versions_.front(); }
  const FrozenVersion& newest() const { return versions_.back(); }

  const perch_host* c_host() const { return &c_host_; }
  perch_host& c_host_to_change() { return c_host_; }
  /// What the SDK's Snapshot needs to read this host.
  detail::View view() const { return {&c_host_, facts_.data()}; }

  std::vector<std::pair<std::string, std::string>> publications;  ///< topic, JSON
  std::vector<std::pair<std::int32_t, std::string>> logs;
  std::map<std::string, double> metrics;
  std::uint64_t wake_every_ns = 0;
  bool refuse_publications = false;

 private:
  struct LiveTable {
    tables::KeyCodec codec;
    std::size_t value_bytes = 0;
    std::map<Words, std::vector<std::uint64_t>> rows;
  };

  std::uint32_t index_of(const detail::TableFacts* facts) const;
  void put(std::uint32_t table, const void* key, const void* value, std::size_t size);
  void erase(std::uint32_t table, const void* key);

  std::vector<const detail::TableFacts*> facts_;  // ends with null
  std::deque<LiveTable> tables_;
  std::deque<FrozenVersion> versions_;
  perch_host c_host_{};
};

}  // namespace perch::test
