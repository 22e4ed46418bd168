#include "trade_rows.hpp"

#include <perch/feed.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <random>

namespace perch::bench {
namespace {

constexpr std::uint32_t symbols = 200;

void append(std::string& out, const void* bytes, std::size_t size) {
  out.append(static_cast<const char*>(bytes), size);
}

template <class Row>
std::string framed(const std::vector<Row>& rows, const char* key_layout, const char* value_layout) {
  std::string out(1024, '\0');
  out.resize(perch_feed_begin(out.data(), out.size(), "trades", key_layout, value_layout, sizeof(Row)));
  for (std::size_t begin = 0; begin < rows.size(); begin += 256) {
    const auto count = static_cast<std::uint32_t>(std::min<std::size_t>(256, rows.size() - begin));
    const perch_feed_frame frame = perch_feed_frame_of(&rows[begin], count, sizeof(Row));
    append(out, &frame, sizeof frame);
    append(out, &rows[begin], std::size_t{count} * sizeof(Row));
  }
  return out;
}

}  // namespace

std::vector<TradeRow> make_trades(std::uint64_t count) {
  std::mt19937_64 random(11);
  std::vector<std::int64_t> cents(symbols, 10'000);
  std::vector<TradeRow> rows(count);
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto symbol = static_cast<std::uint32_t>(random() % symbols);
    cents[symbol] = std::max<std::int64_t>(1000, cents[symbol] + std::int64_t(random() % 21) - 10);
    TradeRow& row = rows[i];
    std::memset(row.symbol, 0, sizeof row.symbol);
    std::snprintf(row.symbol, sizeof row.symbol, "SYM%03u", symbol);
    row.seq = 1'000'000'000 + i;
    row.ts = 1'767'225'600'000'000'000 + std::int64_t(i) * 1000;
    row.price = double(cents[symbol]) / 100;
    row.size = double(1 + random() % 1000) / 4;
  }
  return rows;
}

std::string trades_as_ndjson(const std::vector<TradeRow>& rows) {
  std::string out;
  char line[256];
  for (const TradeRow& row : rows) {
    const int length = std::snprintf(
        line, sizeof line, "{\"symbol\":\"%s\",\"seq\":%lu,\"ts\":%ld,\"price\":%.2f,\"size\":%.2f}\n",
        row.symbol, row.seq, row.ts, row.price, row.size);
    append(out, line, static_cast<std::size_t>(length));
  }
  return out;
}

std::string trades_as_csv(const std::vector<TradeRow>& rows) {
  std::string out = "symbol,seq,ts,price,size\n";
  char line[256];
  for (const TradeRow& row : rows) {
    const int length = std::snprintf(line, sizeof line, "%s,%lu,%ld,%.2f,%.2f\n", row.symbol, row.seq, row.ts,
                                     row.price, row.size);
    append(out, line, static_cast<std::size_t>(length));
  }
  return out;
}

std::string trades_as_binary(const std::vector<TradeRow>& rows) {
  return framed(rows, "{symbol:char[8]@0;seq:uint64@8}16:8",
                "{ts:timestamp_ns@0;price:float64@8;size:float64@16}24:8");
}

std::string trades_by_time_as_binary(const std::vector<TradeRow>& rows) {
  struct Row {
    std::int64_t ts;
    std::uint64_t seq;
    char symbol[8];
    double price;
    double size;
  };
  std::vector<Row> by_time;
  by_time.reserve(rows.size());
  for (const TradeRow& row : rows) {
    Row& to = by_time.emplace_back(Row{row.ts, row.seq, {}, row.price, row.size});
    std::memcpy(to.symbol, row.symbol, sizeof to.symbol);
  }
  return framed(by_time, "{ts:timestamp_ns@0;seq:uint64@8}16:8",
                "{symbol:char[8]@0;price:float64@8;size:float64@16}24:8");
}

std::string trades_as_xadd(const std::vector<TradeRow>& rows) {
  std::string out;
  const auto bulk = [&out](const std::string& text) {
    out += "$" + std::to_string(text.size()) + "\r\n" + text + "\r\n";
  };
  char number[64];
  for (const TradeRow& row : rows) {
    out += "*13\r\n";
    for (const char* word : {"XADD", "trades", "*", "symbol"}) bulk(word);
    bulk(row.symbol);
    bulk("seq");
    bulk(std::to_string(row.seq));
    bulk("ts");
    bulk(std::to_string(row.ts));
    bulk("price");
    std::snprintf(number, sizeof number, "%.2f", row.price);
    bulk(number);
    bulk("size");
    std::snprintf(number, sizeof number, "%.2f", row.size);
    bulk(number);
  }
  return out;
}

}  // namespace perch::bench
