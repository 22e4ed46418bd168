// Simulated trades of 50 symbols: each price is a random walk, and now and then one symbol trades in a burst.
#pragma once

#include <cstdint>

namespace perch::feed {

struct MarketOptions {
  std::uint64_t rate = 1000;  ///< rows per second on average; 0: as fast as it goes
  std::uint64_t seed = 1;
  std::uint64_t count = 0;  ///< rows; 0: without end
};

/// Writes {"symbol","seq","ts","price","size"} rows. The same seed and rate give the same bytes on every
/// machine: numbers are integers throughout, and `ts` is simulated time that begins at 2026-01-01T00:00:00Z
/// (with rate 0 it runs as if a million rows were traded per second).
void run_market(const MarketOptions& options);

}  // namespace perch::feed
