// What the plugin arrivals and perch_bench share: the table's records, and the memory that the notes lie in.
#pragma once

#include <atomic>
#include <cstdint>

/// The notes: a file of this size that PERCH_BENCH_ARRIVALS names, mapped by both.
struct ArrivalNotes {
  static constexpr std::uint64_t capacity = 1 << 16;
  std::atomic<std::uint64_t> count;  ///< release after the note, acquire before it
  std::int64_t latency_ns[capacity];
};
