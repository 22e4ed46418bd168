// Rows of market trades, made beforehand, in every form that an engine takes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace perch::bench {

struct TradeRow {
  char symbol[8];
  std::uint64_t seq;
  std::int64_t ts;
  double price;
  double size;
};

/// 200 symbols, 1000 rows to a simulated millisecond; prices are random walks.
std::vector<TradeRow> make_trades(std::uint64_t rows);

std::string trades_as_ndjson(const std::vector<TradeRow>& rows);  ///< about 100 bytes each
std::string trades_as_csv(const std::vector<TradeRow>& rows);     ///< with a header
std::string trades_as_binary(const std::vector<TradeRow>& rows);  ///< frames of 256
/// The same for a table whose key is (ts, seq).
std::string trades_by_time_as_binary(const std::vector<TradeRow>& rows);
/// Redis commands: XADD trades * symbol … size …
std::string trades_as_xadd(const std::vector<TradeRow>& rows);

}  // namespace perch::bench
