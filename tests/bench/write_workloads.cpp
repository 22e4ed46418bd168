// Writing, with nobody reading.
#include <algorithm>

#include "measuring.hpp"
#include "workload.hpp"

namespace perch::bench {

namespace {

/// Updates rows at random, `batch` rows a commit.
std::vector<Measurement> upsert_random(LoadedEngine& loaded, std::uint64_t pass, std::uint64_t batch) {
  const std::uint64_t count = (batch < 64 ? 200'000 : 500'000) / batch * batch;
  const auto round = static_cast<std::uint32_t>(pass * 10'000 + batch);
  const auto rows = random_rows(count, loaded.rows(), round);
  const auto keys = keys_of(rows);
  const ThreadTimer timer;
  for (std::uint64_t at = 0; at < count; at += batch)
    loaded.expect_room(loaded.engine().upsert(std::span(keys).subspan(at, batch), round));
  const double total_ns = timer.elapsed_ns();
  loaded.note_rows(rows, round);
  loaded.expect_sum(loaded.reader().scan(), loaded.expected_scan(), "what was upserted");
  return {{"ns/row", total_ns / static_cast<double>(count)}};
}

}  // namespace

std::vector<Measurement> upsert_random_1(LoadedEngine& loaded, std::uint64_t pass) {
  return upsert_random(loaded, pass, 1);
}
std::vector<Measurement> upsert_random_16(LoadedEngine& loaded, std::uint64_t pass) {
  return upsert_random(loaded, pass, 16);
}
std::vector<Measurement> upsert_random_64(LoadedEngine& loaded, std::uint64_t pass) {
  return upsert_random(loaded, pass, 64);
}
std::vector<Measurement> upsert_random_1024(LoadedEngine& loaded, std::uint64_t pass) {
  return upsert_random(loaded, pass, 1024);
}

/// A window of a tenth of the rows: 256 rows a commit come at its end, as many go at its beginning.
std::vector<Measurement> window_append_evict(LoadedEngine& loaded, std::uint64_t) {
  constexpr std::uint64_t batch = 256;
  const std::uint64_t window = std::max<std::uint64_t>(loaded.rows() / 10, 4 * batch);
  const std::uint64_t count = std::max<std::uint64_t>(loaded.rows() / batch, 4) * batch;
  const auto engine = loaded.kind().make(loaded.value_size());
  std::vector<std::uint64_t> keys(window);
  for (std::uint64_t i = 0; i < window; ++i) keys[i] = i;
  loaded.expect_room(engine->upsert(keys, 0));
  const ThreadTimer timer;
  for (std::uint64_t at = 0; at < count; at += batch)
    loaded.expect_room(engine->append_and_evict(window + at, at, batch));
  const double total_ns = timer.elapsed_ns();
  std::uint64_t expected = 0;
  for (std::uint64_t key = count; key < count + window; ++key)
    expected += key + digest_of_row(key, 0, loaded.value_size());
  loaded.expect_sum(engine->make_reader()->scan(), expected, "the window");
  return {{"ns/row", total_ns / static_cast<double>(count)}};
}

}  // namespace perch::bench
