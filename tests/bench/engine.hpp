// What is compared: an ordered store of u64 keys and values of 8 or 32 bytes, with one writer and many
// readers.
//
// An engine is a file: it implements Engine and Reader in the way that suits it best and is named in
// engines.cpp. Loops are inside the virtual calls, so that a call costs nothing per row.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace perch::bench {

/// A value of 1 or 4 words.
template <std::size_t words>
using Value = std::array<std::uint64_t, words>;

/// The data: row i has this key. Multiplying by an odd number is a bijection, so there are no duplicates, and
/// the golden ratio spreads them over the whole range.
constexpr std::uint64_t key_of_row(std::uint64_t row) noexcept { return row * 0x9E37'79B9'7F4A'7C15; }

template <std::size_t words>
constexpr Value<words> make_value(std::uint64_t key, std::uint64_t round) noexcept {
  Value<words> value{};
  for (std::size_t word = 0; word < words; ++word) value[word] = (key ^ word * 0x5555'5555'5555'5555) + round;
  return value;
}

/// What a read adds to its checksum: the value's two ends, so that all of its cache lines are read.
template <std::size_t words>
constexpr std::uint64_t digest(const Value<words>& value) noexcept {
  return words > 1 ? value.front() ^ value.back() : value.front();
}

enum class ValueSize { bytes_8, bytes_32 };

/// Used by one thread; ends before its engine.
class Reader {
 public:
  virtual ~Reader() = default;
  /// The sum of the digests of these keys' values, of one snapshot.
  virtual std::uint64_t get(std::span<const std::uint64_t> keys) = 0;
  /// The same, looked up `batch` keys at a time where the engine has such a call.
  virtual std::uint64_t get_many(std::span<const std::uint64_t> keys, std::size_t batch) {
    static_cast<void>(batch);
    return get(keys);
  }
  /// The sum of key + digest over all rows, in key order.
  virtual std::uint64_t scan() = 0;
  /// Takes a snapshot and gives it back, again and again. Returns how many of them saw rows.
  virtual std::uint64_t snapshots(std::uint64_t times) = 0;
  /// Holds a snapshot until the reader ends. For engines that can Ability::snapshots.
  virtual void stall() {}
  /// The sum of key + digest of the old value + digest of the new one over all rows that differ between the
  /// snapshot that `stall` took and one of now. For Ability::diff.
  virtual std::uint64_t changes_since_stall() { return 0; }
  /// As get and get_many, by way of the plugins' C interface. For Ability::plugins.
  virtual std::uint64_t get_as_plugin(std::span<const std::uint64_t> keys) { return get(keys); }
  virtual std::uint64_t get_many_as_plugin(std::span<const std::uint64_t> keys, std::size_t batch) {
    return get_many(keys, batch);
  }
};

/// What an engine has of the system's memory.
struct Memory {
  std::uint64_t block_bytes = 0;   ///< blocks that hold rows or wait for reuse
  std::uint64_t system_bytes = 0;  ///< those, and what is kept ready beyond them
};

/// Writing: one thread, not the readers'.
class Engine {
 public:
  virtual ~Engine() = default;
  virtual std::unique_ptr<Reader> make_reader() = 0;
  /// One commit: each key gets make_value(key, round). False: the store is full.
  virtual bool upsert(std::span<const std::uint64_t> keys, std::uint64_t round) = 0;
  /// One commit: appends the keys [first_new, first_new + count), which are the largest, and evicts the
  /// `count` smallest, which begin with `first_old`. False: the store is full.
  virtual bool append_and_evict(std::uint64_t first_new, std::uint64_t first_old, std::uint64_t count) = 0;
  virtual Memory memory() const = 0;
};

/// What some workloads need and not every engine has.
enum class Ability {
  snapshots,  ///< a reader can stall without stopping the writer
  diff,       ///< the changes between two snapshots, without a scan of both
  plugins,    ///< readers can be plugins
  wide_keys,  ///< keys of 64 bytes too
};

struct EngineKind {
  std::string name;
  std::unique_ptr<Engine> (*make)(ValueSize size);
  std::vector<Ability> abilities;

  bool can(std::optional<Ability> ability) const {
    return !ability || std::count(abilities.begin(), abilities.end(), *ability) != 0;
  }
};

/// Those built in, perch first.
const std::vector<EngineKind>& engine_kinds();
/// Those left out, with the reason.
const std::vector<std::string>& missing_engines();

/// For engines' files: a class template over the words of a value.
template <template <std::size_t> class Kind>
std::unique_ptr<Engine> make_for(ValueSize size) {
  if (size == ValueSize::bytes_8) return std::make_unique<Kind<1>>();
  return std::make_unique<Kind<4>>();
}

/// No engine may take more of the machine's memory: a write beyond it finds the store full.
constexpr std::uint64_t memory_limit_bytes = std::uint64_t{12} << 30;

}  // namespace perch::bench
