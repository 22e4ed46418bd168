// What is compared: an ordered store of u64 keys and 32-byte values, with one writer and many readers.
//
// An engine is a file: it implements Engine and Reader in the way that suits it best and is named in
// engines.cpp. Loops are inside the virtual calls, so that a call costs nothing per row.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace perch::bench {

struct Value {
  std::uint64_t words[4];
};
static_assert(sizeof(Value) == 32);

/// The data: row i has this key. Multiplying by an odd number is a bijection, so there are no duplicates, and
/// the golden ratio spreads them over the whole range.
constexpr std::uint64_t key_of_row(std::uint64_t row) noexcept { return row * 0x9E37'79B9'7F4A'7C15; }

constexpr Value make_value(std::uint64_t key, std::uint64_t round) noexcept {
  return {{key + round, round, ~key, (key ^ 0x5555'5555'5555'5555) + round}};
}

/// What a read adds to its checksum: the value's two ends, so that all of its cache lines are read.
constexpr std::uint64_t digest(const Value& value) noexcept { return value.words[0] ^ value.words[3]; }

/// Used by one thread; ends before its engine.
class Reader {
 public:
  virtual ~Reader() = default;
  /// The sum of the digests of these keys' values.
  virtual std::uint64_t get(std::span<const std::uint64_t> keys) = 0;
  /// The sum of key + digest over all rows, in key order.
  virtual std::uint64_t scan() = 0;
  /// Takes a snapshot and gives it back, again and again. Returns how many of them saw rows.
  virtual std::uint64_t snapshots(std::uint64_t times) = 0;
  /// Holds a snapshot until the reader ends.
  virtual void stall() = 0;
};

/// Writing: one thread, not the readers'.
class Engine {
 public:
  virtual ~Engine() = default;
  virtual std::unique_ptr<Reader> make_reader() = 0;
  /// One commit: each key gets make_value(key, round). False: the store is full.
  virtual bool upsert(std::span<const std::uint64_t> keys, std::uint64_t round) = 0;
  /// One commit: appends the keys [first_new, first_new + count), which are the largest, and evicts the
  /// `count` smallest, which begin with `first_old`.
  virtual bool append_and_evict(std::uint64_t first_new, std::uint64_t first_old, std::uint64_t count) = 0;
  /// Memory that the rows take, free lists included; nothing when the engine cannot tell.
  virtual std::optional<std::uint64_t> memory_bytes() const = 0;
};

struct EngineKind {
  std::string name;
  std::unique_ptr<Engine> (*make)();
  bool has_snapshots;  ///< a reader can stall without stopping the writer
};

/// Those built in, perch first.
const std::vector<EngineKind>& engine_kinds();
/// Those left out, with the reason.
const std::vector<std::string>& missing_engines();

}  // namespace perch::bench
