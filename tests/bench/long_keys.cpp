// Keys of 64 bytes that differ only towards their end, as names of series do, beside keys of 8 bytes: the
// tree itself, for no other engine here has keys of both kinds.
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "measuring.hpp"
#include "tree/store.hpp"
#include "workload.hpp"

namespace perch::bench {

namespace {

constexpr std::uint32_t value_bytes = 32;
constexpr std::uint32_t batch = 64;
constexpr std::uint32_t warmed_rows = 16;

using LongKey = std::array<std::uint64_t, 8>;

LongKey long_key_of_row(std::uint64_t row) {
  char text[80];
  const std::uint64_t key = key_of_row(row);
  std::snprintf(text, sizeof text, "cloudwatch/eu-central-1/%s/ec2_%02x/instance_%016lx_______",
                "cpu_utilization", static_cast<unsigned>(key >> 56), static_cast<unsigned long>(key));
  LongKey words;
  std::memcpy(words.data(), text, sizeof words);
  for (std::uint64_t& word : words)
    word = __builtin_bswap64(word);  // so that numbers compare as the text does
  return words;
}

/// A table of its own, and the same rows under keys of either length.
class KeyedRows {
 public:
  KeyedRows(std::uint32_t key_words, std::uint64_t rows) : key_words_(key_words) {
    auto store = tree::Store::create({.arena_bytes = std::uint64_t{8} << 30});
    if (!store) {
      std::fprintf(stderr, "long_keys: %s\n", store.error().message.c_str());
      std::exit(1);
    }
    store_ = std::move(*store);
    table_ = store_->add_table({key_words, value_bytes, 0, 0});
    std::vector<std::uint64_t> all(rows);
    for (std::uint64_t row = 0; row < rows; ++row) all[row] = row;
    upsert(all, keys_of_rows(all));
  }

  std::vector<std::uint64_t> keys_of_rows(std::span<const std::uint64_t> rows) const {
    if (key_words_ == 1) return keys_of(rows);
    std::vector<std::uint64_t> keys;
    keys.reserve(rows.size() * key_words_);
    for (const std::uint64_t row : rows) {
      const LongKey key = long_key_of_row(row);
      keys.insert(keys.end(), key.begin(), key.end());
    }
    return keys;
  }

  /// `keys`: those of `rows`. The value begins with the row's number.
  void upsert(std::span<const std::uint64_t> rows, const std::vector<std::uint64_t>& keys) {
    for (std::size_t at = 0; at < rows.size(); ++at) {
      const std::uint64_t* const key = keys.data() + at * key_words_;
      if (at % warmed_rows == 0) {
        store_->warm(table_, key,
                     static_cast<std::uint32_t>(std::min<std::size_t>(warmed_rows, rows.size() - at)));
      }
      if (!store_->has_room()) {
        std::fprintf(stderr, "long_keys: the store is full\n");
        std::exit(1);
      }
      std::memcpy(store_->upsert(table_, key).value, &rows[at], sizeof rows[at]);
      if (at % batch == batch - 1) store_->commit(0, {});
    }
    store_->commit(0, {});
  }

  /// The sum of the row numbers found.
  std::uint64_t get(const std::vector<std::uint64_t>& keys) {
    const tree::SharedSnapshot pinned = store_->reads().acquire();
    const tree::Snapshot snapshot = pinned->snapshot();
    std::uint64_t sum = 0;
    for (std::size_t at = 0; at < keys.size(); at += key_words_) {
      const std::byte* const value = snapshot.get(table_, keys.data() + at);
      if (value) sum += *reinterpret_cast<const std::uint64_t*>(value);
    }
    return sum;
  }

 private:
  const std::uint32_t key_words_;
  std::unique_ptr<tree::Store> store_;
  tree::TableIndex table_ = 0;
};

}  // namespace

std::vector<Measurement> long_keys(LoadedEngine& loaded, std::uint64_t pass) {
  const auto rows = random_rows(200'000, loaded.rows(), pass + 1);
  std::uint64_t expected = 0;
  for (const std::uint64_t row : rows) expected += row;
  std::vector<Measurement> measured;
  for (const std::uint32_t key_words : {1u, 8u}) {
    const std::string length = std::to_string(key_words * 8) + " B";
    KeyedRows table(key_words, loaded.rows());
    const auto keys = table.keys_of_rows(rows);
    const ThreadTimer get_timer;
    const std::uint64_t sum = table.get(keys);
    const double get_ns = get_timer.elapsed_ns();
    loaded.expect_sum(sum, expected, "long_keys");
    const ThreadTimer upsert_timer;
    table.upsert(rows, keys);
    const double upsert_ns = upsert_timer.elapsed_ns();
    measured.push_back({"ns/get " + length, get_ns / static_cast<double>(rows.size())});
    measured.push_back({"ns/upsert " + length, upsert_ns / static_cast<double>(rows.size())});
  }
  return measured;
}

}  // namespace perch::bench
