// Reading, with nobody writing.
#include <algorithm>

#include "measuring.hpp"
#include "workload.hpp"

namespace perch::bench {

namespace {

constexpr std::uint64_t gets = 1'000'000;

/// Times `get(keys)`, which returns a sum of digests.
template <class Get>
std::vector<Measurement> time_gets(LoadedEngine& loaded, std::uint64_t seed, const char* name, Get get) {
  const auto rows = random_rows(gets, loaded.rows(), seed);
  const auto keys = keys_of(rows);
  const ThreadTimer timer;
  const std::uint64_t sum = get(std::span<const std::uint64_t>(keys));
  const double total_ns = timer.elapsed_ns();
  loaded.expect_sum(sum, loaded.expected_get(rows), name);
  return {{"ns/row", total_ns / gets}};
}

}  // namespace

std::vector<Measurement> get_random(LoadedEngine& loaded, std::uint64_t pass) {
  return time_gets(loaded, pass + 1, "get_random", [&](auto keys) { return loaded.reader().get(keys); });
}

/// 16 keys a call. An engine without such a call gets them one by one: its column is then its get's, and the
/// ratio is against that.
std::vector<Measurement> get_many(LoadedEngine& loaded, std::uint64_t pass) {
  return time_gets(loaded, pass + 1000, "get_many",
                   [&](auto keys) { return loaded.reader().get_many(keys, 16); });
}

std::vector<Measurement> scan(LoadedEngine& loaded, std::uint64_t) {
  const std::uint64_t scans = std::clamp<std::uint64_t>(5'000'000 / loaded.rows(), 1, 1000);
  std::uint64_t sum = 0;
  const ThreadTimer timer;
  for (std::uint64_t i = 0; i < scans; ++i) sum += loaded.reader().scan();
  const double total_ns = timer.elapsed_ns();
  loaded.expect_sum(sum, scans * loaded.expected_scan(), "scan");
  return {{"ns/row", total_ns / static_cast<double>(scans * loaded.rows())}};
}

std::vector<Measurement> snapshot(LoadedEngine& loaded, std::uint64_t) {
  constexpr std::uint64_t times = 2'000'000;
  const ThreadTimer timer;
  const std::uint64_t with_rows = loaded.reader().snapshots(times);
  const double total_ns = timer.elapsed_ns();
  loaded.expect_sum(with_rows, times, "snapshot");
  return {{"ns", total_ns / times}};
}

}  // namespace perch::bench
