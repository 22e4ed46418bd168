// Reading, with nobody writing.
#include <algorithm>

#include "measuring.hpp"
#include "workload.hpp"

namespace perch::bench {

namespace {

constexpr std::uint64_t gets = 1'000'000;
constexpr std::size_t many = 16;  // keys a call

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

/// The same reads with and without the plugins' interface, in turns, so that what else the machine does meets
/// both.
template <class Direct, class Plugin>
std::vector<Measurement> time_both(LoadedEngine& loaded, std::uint64_t seed, const char* name, Direct direct,
                                   Plugin plugin) {
  constexpr std::size_t turn = 4000;
  static_assert(gets % (2 * turn) == 0, "as many turns each");
  const auto rows = random_rows(gets, loaded.rows(), seed);
  const auto keys = keys_of(rows);
  std::uint64_t sum = 0;
  double direct_ns = 0;
  double plugin_ns = 0;
  for (std::size_t at = 0; at < keys.size(); at += 2 * turn) {
    const ThreadTimer direct_timer;
    sum += direct(std::span(keys).subspan(at, turn));
    direct_ns += direct_timer.elapsed_ns();
    const ThreadTimer plugin_timer;
    sum += plugin(std::span(keys).subspan(at + turn, turn));
    plugin_ns += plugin_timer.elapsed_ns();
  }
  loaded.expect_sum(sum, loaded.expected_get(rows), name);
  return {{"ns/row direct", direct_ns / (gets / 2)},
          {"ns/row plugin", plugin_ns / (gets / 2)},
          {"plugin / direct", plugin_ns / direct_ns}};
}

}  // namespace

std::vector<Measurement> get_random(LoadedEngine& loaded, std::uint64_t pass) {
  return time_gets(loaded, pass + 1, "get_random", [&](auto keys) { return loaded.reader().get(keys); });
}

/// `many` keys a call. An engine without such a call gets them one by one: its column is then its get's, and
/// the ratio is against that.
std::vector<Measurement> get_many(LoadedEngine& loaded, std::uint64_t pass) {
  return time_gets(loaded, pass + 1000, "get_many",
                   [&](auto keys) { return loaded.reader().get_many(keys, many); });
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

/// 1000 rows at random are updated, then the changes between before and after are walked through, whole rows
/// compared.
std::vector<Measurement> diff(LoadedEngine& loaded, std::uint64_t pass) {
  constexpr std::uint32_t diffs = 20;
  double total_ns = 0;
  std::uint64_t changed_rows = 0;
  for (std::uint32_t i = 0; i < diffs; ++i) {
    const auto round = static_cast<std::uint32_t>(pass * 10'000 + 2000 + i);
    auto rows = random_rows(1000, loaded.rows(), round);
    std::sort(rows.begin(), rows.end());
    rows.erase(std::unique(rows.begin(), rows.end()), rows.end());
    const auto keys = keys_of(rows);
    std::uint64_t expected = loaded.expected_get(rows);
    const auto reader = loaded.engine().make_reader();
    reader->stall();
    loaded.expect_room(loaded.engine().upsert(keys, round));
    loaded.note_rows(rows, round);
    for (const std::uint64_t key : keys) expected += key;
    expected += loaded.expected_get(rows);
    const ThreadTimer timer;
    const std::uint64_t sum = reader->changes_since_stall();
    total_ns += timer.elapsed_ns();
    changed_rows += rows.size();
    loaded.expect_sum(sum, expected, "diff");
  }
  return {{"ns/changed row", total_ns / static_cast<double>(changed_rows)}};
}

std::vector<Measurement> get_through_plugin_interface(LoadedEngine& loaded, std::uint64_t pass) {
  Reader& reader = loaded.reader();
  return time_both(
      loaded, pass + 2000, "get_through_plugin_interface", [&](auto keys) { return reader.get(keys); },
      [&](auto keys) { return reader.get_as_plugin(keys); });
}

std::vector<Measurement> get_many_through_plugin_interface(LoadedEngine& loaded, std::uint64_t pass) {
  Reader& reader = loaded.reader();
  return time_both(
      loaded, pass + 3000, "get_many_through_plugin_interface",
      [&](auto keys) { return reader.get_many(keys, many); },
      [&](auto keys) { return reader.get_many_as_plugin(keys, many); });
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
