// What is measured: each workload runs on one engine at a time, checks its results, and returns numbers.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine.hpp"

namespace perch::bench {

/// An engine filled with the data, and what its rows must hold.
class LoadedEngine {
 public:
  LoadedEngine(const EngineKind& kind, std::uint64_t rows);

  const EngineKind& kind() const { return kind_; }
  std::uint64_t rows() const { return rounds_.size(); }
  Engine& engine() { return *engine_; }
  Reader& reader() { return *reader_; }

  /// Notes down that these rows were written in `round`.
  void note_rows(std::span<const std::uint64_t> rows, std::uint64_t round);

  /// What get and scan must return.
  std::uint64_t expected_get(std::span<const std::uint64_t> rows) const;
  std::uint64_t expected_scan() const;

 private:
  const EngineKind& kind_;
  std::vector<std::uint64_t> rounds_;  // of the last write to each row
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<Reader> reader_;  // ends before the engine
};

struct Measurement {
  std::string unit;
  double value;
};

struct Workload {
  std::string name;
  bool needs_snapshots;  ///< engines without them sit it out
  bool on_request;       ///< runs only when named: takes much memory
  /// `pass` counts the repetitions, so that each has other keys and the same for all engines.
  std::vector<Measurement> (*run)(LoadedEngine& loaded, std::uint64_t pass);
};

const std::vector<Workload>& workloads();

}  // namespace perch::bench
