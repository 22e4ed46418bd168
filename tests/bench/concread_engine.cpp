// concread: the copy-on-write B+tree of Rust's concread crate (see concread/src/lib.rs), a write transaction
// a batch, a read transaction a snapshot. Its nodes hold seven rows and live on the heap.
#include <cstddef>
#include <vector>

#include "engine.hpp"

extern "C" {  // concread/src/lib.rs
struct perch_concread_map;
struct perch_concread_snapshot;
std::size_t perch_concread_held_bytes();
perch_concread_map* perch_concread_new(std::size_t value_words);
void perch_concread_free(perch_concread_map* map);
void perch_concread_write(const perch_concread_map* map, const std::uint64_t* keys,
                          const std::uint64_t* values, std::size_t count, std::uint64_t first_evicted,
                          std::uint64_t end_evicted);
std::uint64_t perch_concread_get(const perch_concread_map* map, const std::uint64_t* keys, std::size_t count);
std::uint64_t perch_concread_scan(const perch_concread_map* map);
std::uint64_t perch_concread_snapshots(const perch_concread_map* map, std::uint64_t times);
perch_concread_snapshot* perch_concread_hold(const perch_concread_map* map);
void perch_concread_let_go(perch_concread_snapshot* snapshot);
}

namespace perch::bench {

namespace {

class ConcreadReader : public Reader {
 public:
  explicit ConcreadReader(const perch_concread_map* map) : map_(map) {}
  ~ConcreadReader() override {
    if (stalled_) perch_concread_let_go(stalled_);
  }

  std::uint64_t get(std::span<const std::uint64_t> keys) override {
    return perch_concread_get(map_, keys.data(), keys.size());
  }
  std::uint64_t scan() override { return perch_concread_scan(map_); }
  std::uint64_t snapshots(std::uint64_t times) override { return perch_concread_snapshots(map_, times); }
  void stall() override { stalled_ = perch_concread_hold(map_); }

 private:
  const perch_concread_map* map_;
  perch_concread_snapshot* stalled_ = nullptr;
};

template <std::size_t words>
class ConcreadEngine : public Engine {
 public:
  ~ConcreadEngine() override { perch_concread_free(map_); }

  std::unique_ptr<Reader> make_reader() override { return std::make_unique<ConcreadReader>(map_); }

  bool upsert(std::span<const std::uint64_t> keys, std::uint64_t round) override {
    return write(keys, round, 0, 0);
  }

  bool append_and_evict(std::uint64_t first_new, std::uint64_t first_old, std::uint64_t count) override {
    keys_.resize(count);
    for (std::uint64_t i = 0; i < count; ++i) keys_[i] = first_new + i;
    return write(keys_, 0, first_old, first_old + count);
  }

  Memory memory() const override {
    const std::uint64_t bytes = perch_concread_held_bytes() - held_before_;
    return {bytes, bytes};
  }

 private:
  bool write(std::span<const std::uint64_t> keys, std::uint64_t round, std::uint64_t first_evicted,
             std::uint64_t end_evicted) {
    if (memory().block_bytes >= memory_limit_bytes) return false;
    values_.resize(keys.size());
    for (std::size_t i = 0; i < keys.size(); ++i) values_[i] = make_value<words>(keys[i], round);
    perch_concread_write(map_, keys.data(), values_.data()->data(), keys.size(), first_evicted, end_evicted);
    return true;
  }

  const std::uint64_t held_before_ = perch_concread_held_bytes();  // other maps'
  perch_concread_map* const map_ = perch_concread_new(words);
  std::vector<std::uint64_t> keys_;
  std::vector<Value<words>> values_;
};

}  // namespace

std::unique_ptr<Engine> make_concread_engine(ValueSize size);
std::unique_ptr<Engine> make_concread_engine(ValueSize size) { return make_for<ConcreadEngine>(size); }

}  // namespace perch::bench
