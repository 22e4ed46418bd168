// absl: absl::btree_map under a std::shared_mutex: the fastest ordered map in one process, and what one would
// write first. There are no snapshots: whoever reads keeps the writer out, for a scan or a batch of gets as a
// whole (a lock for each get takes 70 instructions more of 264), and "snapshot" is the lock alone.
#include <absl/container/btree_map.h>

#include <mutex>
#include <shared_mutex>

#include "engine.hpp"

namespace perch::bench {

namespace {

/// The heap's allocator, counting into a number that the map's owner holds.
template <class T>
struct CountingAllocator {
  using value_type = T;
  explicit CountingAllocator(std::uint64_t* held) noexcept : held_bytes(held) {}
  template <class Other>
  CountingAllocator(const CountingAllocator<Other>& other) noexcept : held_bytes(other.held_bytes) {}

  T* allocate(std::size_t count) {
    *held_bytes += count * sizeof(T);
    return std::allocator<T>().allocate(count);
  }
  void deallocate(T* block, std::size_t count) noexcept {
    *held_bytes -= count * sizeof(T);
    std::allocator<T>().deallocate(block, count);
  }
  template <class Other>
  bool operator==(const CountingAllocator<Other>& other) const noexcept {
    return held_bytes == other.held_bytes;
  }

  std::uint64_t* held_bytes;
};

template <std::size_t words>
struct Shared {
  using Row = std::pair<const std::uint64_t, Value<words>>;
  mutable std::shared_mutex mutex;
  std::uint64_t held_bytes = 0;
  absl::btree_map<std::uint64_t, Value<words>, std::less<std::uint64_t>, CountingAllocator<Row>> rows{
      CountingAllocator<Row>(&held_bytes)};
};

template <std::size_t words>
class AbslReader : public Reader {
 public:
  explicit AbslReader(Shared<words>& shared) : shared_(shared) {}

  std::uint64_t get(std::span<const std::uint64_t> keys) override {
    const std::shared_lock lock(shared_.mutex);
    std::uint64_t sum = 0;
    for (const std::uint64_t key : keys) {
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

 private:
  Shared<words>& shared_;
};

template <std::size_t words>
class AbslEngine : public Engine {
 public:
  std::unique_ptr<Reader> make_reader() override { return std::make_unique<AbslReader<words>>(shared_); }

  bool upsert(std::span<const std::uint64_t> keys, std::uint64_t round) override {
    const std::unique_lock lock(shared_.mutex);
    if (shared_.held_bytes >= memory_limit_bytes) return false;
    for (const std::uint64_t key : keys) shared_.rows[key] = make_value<words>(key, round);
    return true;
  }

  bool append_and_evict(std::uint64_t first_new, std::uint64_t, std::uint64_t count) override {
    const std::unique_lock lock(shared_.mutex);
    for (std::uint64_t key = first_new; key < first_new + count; ++key)
      shared_.rows.emplace_hint(shared_.rows.end(), key, make_value<words>(key, 0));
    shared_.rows.erase(shared_.rows.begin(),
                       std::next(shared_.rows.begin(), static_cast<std::ptrdiff_t>(count)));
    return true;
  }

  Memory memory() const override {
    const std::shared_lock lock(shared_.mutex);
    return {shared_.held_bytes, shared_.held_bytes};
  }

 private:
  Shared<words> shared_;
};

}  // namespace

std::unique_ptr<Engine> make_absl_engine(ValueSize size);
std::unique_ptr<Engine> make_absl_engine(ValueSize size) { return make_for<AbslEngine>(size); }

}  // namespace perch::bench
