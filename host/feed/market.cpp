#include "feed/market.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <thread>

#include "feed/output.hpp"

namespace perch::feed {
namespace {

constexpr std::int64_t first_ts_ns = 1'767'225'600'000'000'000;  // 2026-01-01T00:00:00Z
constexpr std::uint64_t unthrottled_rate = 1'000'000;

// Invented names.
constexpr std::array<std::string_view, 50> symbols{
    "ALDR", "ASPN", "AUK",  "AVOC", "BITN", "BLUJ", "BUNT", "CHIF", "COOT", "CRAK", "CRNE", "CURL", "DIPR",
    "DOVE", "DUNL", "EAGL", "EIDR", "EGRT", "FALC", "FINC", "FULM", "GANT", "GODW", "GREB", "GULL", "HARR",
    "HERN", "HOBY", "IBIS", "JACK", "JAY",  "KEST", "KITE", "KNOT", "LARK", "LINN", "MAGP", "MERL", "NUTH",
    "ORIO", "OSPR", "OWL",  "PIPT", "PUFF", "RAIL", "ROOK", "RUFF", "SWFT", "TERN", "WREN"};

/// splitmix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
class Random {
 public:
  explicit Random(std::uint64_t seed) noexcept : state_(seed) {}

  std::uint64_t next() noexcept {
    std::uint64_t z = state_ += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
  }
  /// In [0, bound), bound < 2^32. Slightly uneven, which nobody will see in a market.
  std::uint64_t below(std::uint64_t bound) noexcept { return (next() >> 32) * bound >> 32; }

 private:
  std::uint64_t state_;
};

struct Trade {
  std::size_t symbol;
  std::int64_t time_ns;  // since the first
  std::int64_t price_hundredths;
  std::int64_t size;
};

class Market {
 public:
  Market(std::uint64_t seed, std::int64_t mean_gap_ns) noexcept : random_(seed), mean_gap_ns_(mean_gap_ns) {
    for (auto& price : prices_) price = 500 + static_cast<std::int64_t>(random_.below(50'000));
  }

  Trade next() noexcept {
    time_ns_ += gap();
    const std::size_t symbol = burst_left_ > 0 ? burst_symbol_ : random_.below(symbols.size());
    std::int64_t& price = prices_[symbol];
    price = std::max<std::int64_t>(100, price + step());
    const std::int64_t size = 1 + static_cast<std::int64_t>(random_.below(100) * random_.below(10));
    return {symbol, time_ns_, price, size};
  }

 private:
  /// Trades of a burst come ten times as fast; the time they saved is waited afterwards, so that the rate
  /// holds.
  std::int64_t gap() noexcept {
    const auto even = static_cast<std::int64_t>(random_.next() >> 33) % (2 * mean_gap_ns_ + 1);
    if (burst_left_ > 0) {
      saved_ns_ += even - even / 10;
      return --burst_left_, even / 10;
    }
    if (random_.below(512) == 0) {
      burst_left_ = 20 + random_.below(100);
      burst_symbol_ = random_.below(symbols.size());
    }
    const std::int64_t gap = even + saved_ns_;
    saved_ns_ = 0;
    return gap;
  }

  std::int64_t step() noexcept {
    const std::int64_t reach = burst_left_ > 0 ? 25 : 5;
    return static_cast<std::int64_t>(random_.below(static_cast<std::uint64_t>(2 * reach + 1))) - reach;
  }

  Random random_;
  std::int64_t mean_gap_ns_;
  std::int64_t time_ns_ = 0;
  std::int64_t saved_ns_ = 0;
  std::uint64_t burst_left_ = 0;
  std::size_t burst_symbol_ = 0;
  std::array<std::int64_t, symbols.size()> prices_{};
};

void write_trade(const Trade& trade, std::uint64_t seq, Output& out) {
  out.text("{\"symbol\":\"");
  out.text(symbols[trade.symbol]);
  out.text("\",\"seq\":");
  out.integer(static_cast<std::int64_t>(seq));
  out.text(",\"ts\":");
  out.integer(first_ts_ns + trade.time_ns);
  out.text(",\"price\":");
  out.hundredths(trade.price_hundredths);
  out.text(",\"size\":");
  out.integer(trade.size);
  out.text("}\n");
}

}  // namespace

void run_market(const MarketOptions& options) {
  const std::uint64_t rate = options.rate == 0 ? unthrottled_rate : options.rate;
  Market market(options.seed, static_cast<std::int64_t>(1'000'000'000 / rate));
  Output out;
  const auto start = std::chrono::steady_clock::now();
  for (std::uint64_t seq = 1; options.count == 0 || seq <= options.count; ++seq) {
    const Trade trade = market.next();
    if (options.rate > 0) {
      const auto due = start + std::chrono::nanoseconds(trade.time_ns);
      if (due > std::chrono::steady_clock::now()) {
        out.flush();
        std::this_thread::sleep_until(due);
      }
    }
    write_trade(trade, seq, out);
  }
}

}  // namespace perch::feed
