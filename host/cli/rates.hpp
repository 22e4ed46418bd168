// Rates: what happened between two answers of host.status.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cli/outcome.hpp"

namespace perch::cli {

/// Durations that were recorded in a stretch of time, from the difference of two histograms, each a list of
/// [upper end in ns, how many].
class RecentDurations {
 public:
  RecentDurations(const Json& before, const Json& now);
  std::uint64_t count() const noexcept { return count_; }
  /// At most 25 % too large; 0 when there are none.
  std::int64_t quantile_ns(double share) const;
  /// How they are spread, a character per power of ten from 100 ns to 10 s, higher for more: "▁▂▇▁    ".
  std::string shape() const;

 private:
  std::vector<std::pair<std::int64_t, std::uint64_t>> counts_;
  std::uint64_t count_ = 0;
};

/// The host in numbers per second, for people and programs alike: {"seconds","commits":{…},"sources":[…],
/// "tables":[…],"readers":[…],"memory":{…},"process":{…}}. Sources, tables and readers that were not there
/// before count from 0.
Json rates_between(const Json& before, const Json& now);

/// The same as a screen of text.
std::string rates_text(const Json& status, const Json& rates);

}  // namespace perch::cli
