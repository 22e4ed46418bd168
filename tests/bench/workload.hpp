// What is measured: each workload runs on one engine at a time, checks its results, and returns numbers.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "loaded_engine.hpp"

namespace perch::bench {

struct Measurement {
  std::string unit;
  double value;
};

/// `pass` counts the repetitions, so that each has other keys and the same for all engines.
using RunWorkload = std::vector<Measurement> (*)(LoadedEngine& loaded, std::uint64_t pass);

struct Workload {
  std::string name;
  std::optional<Ability> needs;  ///< engines without it sit it out
  bool on_request;  ///< runs only when named, or with --all, and once: takes much time and memory
  RunWorkload run;
};

const std::vector<Workload>& workloads();

std::vector<Measurement> get_random(LoadedEngine& loaded, std::uint64_t pass);
std::vector<Measurement> get_many(LoadedEngine& loaded, std::uint64_t pass);
std::vector<Measurement> scan(LoadedEngine& loaded, std::uint64_t pass);
std::vector<Measurement> diff(LoadedEngine& loaded, std::uint64_t pass);
std::vector<Measurement> long_keys(LoadedEngine& loaded, std::uint64_t pass);
std::vector<Measurement> get_through_plugin_interface(LoadedEngine& loaded, std::uint64_t pass);
std::vector<Measurement> get_many_through_plugin_interface(LoadedEngine& loaded, std::uint64_t pass);
std::vector<Measurement> snapshot(LoadedEngine& loaded, std::uint64_t pass);
std::vector<Measurement> upsert_random_1(LoadedEngine& loaded, std::uint64_t pass);
std::vector<Measurement> upsert_random_16(LoadedEngine& loaded, std::uint64_t pass);
std::vector<Measurement> upsert_random_64(LoadedEngine& loaded, std::uint64_t pass);
std::vector<Measurement> upsert_random_1024(LoadedEngine& loaded, std::uint64_t pass);
std::vector<Measurement> window_append_evict(LoadedEngine& loaded, std::uint64_t pass);
std::vector<Measurement> read_while_write(LoadedEngine& loaded, std::uint64_t pass);
std::vector<Measurement> stalled_reader_memory(LoadedEngine& loaded, std::uint64_t pass);

}  // namespace perch::bench
