// absl: absl::btree_map under a std::shared_mutex: the fastest ordered map in one process, and what one would
// write first. There are no snapshots: a scan keeps the writer out, each get locks by itself, and "snapshot"
// is the lock alone.
#include <absl/container/btree_map.h>

#include <mutex>
#include <shared_mutex>

#include "engine.hpp"

namespace perch::bench {

namespace {

struct Shared {
  std::shared_mutex mutex;
  absl::btree_map<std::uint64_t, Value> rows;
};

class AbslReader : public Reader {
 public:
  explicit AbslReader(Shared& shared) : shared_(shared) {}

  std::uint64_t get(std::span<const std::uint64_t> keys) override {
    std::uint64_t sum = 0;
    for (const std::uint64_t key : keys) {
      const std::shared_lock lock(shared_.mutex);
      const auto row = shared_.rows.find(key);
      if (row != shared_.rows.end()) sum += digest(row->second);
    }
    return sum;
  }

  std::uint64_t scan() override {
    const std::shared_lock lock(shared_.mutex);
    std::uint64_t sum = 0;
    for (const auto& [key, value] : shared_.rows) sum += key + digest(value);
    return sum;
  }

  std::uint64_t snapshots(std::uint64_t times) override {
    std::uint64_t with_rows = 0;
    for (std::uint64_t i = 0; i < times; ++i) {
      const std::shared_lock lock(shared_.mutex);
      with_rows += !shared_.rows.empty();
    }
    return with_rows;
  }

  void stall() override {}  // not asked for: EngineKind::has_snapshots

 private:
  Shared& shared_;
};

class AbslEngine : public Engine {
 public:
  std::unique_ptr<Reader> make_reader() override { return std::make_unique<AbslReader>(shared_); }

  bool upsert(std::span<const std::uint64_t> keys, std::uint64_t round) override {
    const std::unique_lock lock(shared_.mutex);
    for (const std::uint64_t key : keys) shared_.rows[key] = make_value(key, round);
    return true;
  }

  bool append_and_evict(std::uint64_t first_new, std::uint64_t, std::uint64_t count) override {
    const std::unique_lock lock(shared_.mutex);
    for (std::uint64_t key = first_new; key < first_new + count; ++key)
      shared_.rows.emplace_hint(shared_.rows.end(), key, make_value(key, 0));
    shared_.rows.erase(shared_.rows.begin(),
                       std::next(shared_.rows.begin(), static_cast<std::ptrdiff_t>(count)));
    return true;
  }

  std::optional<std::uint64_t> memory_bytes() const override { return std::nullopt; }

 private:
  Shared shared_;
};

}  // namespace

std::unique_ptr<Engine> make_absl_engine();
std::unique_ptr<Engine> make_absl_engine() { return std::make_unique<AbslEngine>(); }

}  // namespace perch::bench
