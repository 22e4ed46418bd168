// An engine filled with the data, and what its rows must hold: every workload checks what it read or wrote.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "engine.hpp"

namespace perch::bench {

class LoadedEngine {
 public:
  /// Loads the rows in the order of their numbers, which is at random in the order of keys; 1024 a commit.
  LoadedEngine(const EngineKind& kind, std::uint64_t rows, ValueSize size);

  const EngineKind& kind() const { return kind_; }
  ValueSize value_size() const { return size_; }
  std::uint64_t rows() const { return rounds_.size(); }
  Engine& engine() { return *engine_; }
  Reader& reader() { return *reader_; }
  double load_ns_per_row() const { return load_ns_per_row_; }

  /// Notes down that these rows were written in `round`.
  void note_rows(std::span<const std::uint64_t> rows, std::uint32_t round);

  /// What get and scan must return.
  std::uint64_t expected_get(std::span<const std::uint64_t> rows) const;
  std::uint64_t expected_scan() const;

  /// A wrong result makes every number worthless: the run ends.
  void expect_sum(std::uint64_t actual, std::uint64_t expected, const char* what) const;
  /// So it does when an engine is full.
  void expect_room(bool had_room) const;

 private:
  const EngineKind& kind_;
  const ValueSize size_;
  std::vector<std::uint32_t> rounds_;  // of the last write to each row
  double load_ns_per_row_ = 0;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<Reader> reader_;  // ends before the engine
};

/// The digest of make_value(key, round) in values of this size.
std::uint64_t digest_of_row(std::uint64_t key, std::uint64_t round, ValueSize size);

}  // namespace perch::bench
