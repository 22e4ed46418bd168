// ingest_*: the same market trades through each system, from a feeder's socket to where they can be read.
#include <lmdb.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/assert.hpp"
#include "feeder.hpp"
#include "ingest/ingest.hpp"
#include "redis_server.hpp"
#include "stream_workload.hpp"
#include "tables/catalog.hpp"
#include "trade_rows.hpp"
#include "tree/store.hpp"

namespace perch::bench {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t rows_kept = 500'000;

struct Cost {
  double seconds = 0;
  double cpu_seconds = 0;
};

void add(Report& report, const std::string& workload, const std::string& engine, std::uint64_t rows,
         Cost cost) {
  const double millions = double(rows) / 1e6;
  report.add(workload, "M rows/s", engine, millions / cost.seconds);
  report.add(workload, "cpu-s/M rows", engine, cost.cpu_seconds / millions);
}

/// What comes first in the key: the table is 200 series that grow side by side, or one that grows at its end.
enum class Order { by_symbol, by_time };

std::vector<tables::TableSpec> tables_with_rollup(Order order) {
  tables::TableSpec trades{"trades",
                           {{"symbol", "char[8]"}, {"seq", "uint64"}},
                           {{"ts", "timestamp_ns"}, {"price", "float64"}, {"size", "float64"}},
                           tables::RetainSpec{rows_kept, {}, {}}};
  if (order == Order::by_time) {
    std::swap(trades.key[0], trades.value[0]);
    trades.retain->by = "ts";
  }
  tables::TableSpec bars{"bars", {}, {}, {}};
  bars.rollup = tables::RollupSpec{"trades",
                                   {{"symbol", 0ns}, {"ts", 1s}},
                                   {{"open", "first(price)"},
                                    {"high", "max(price)"},
                                    {"low", "min(price)"},
                                    {"close", "last(price)"},
                                    {"volume", "sum(size)"},
                                    {"trades", "count()"}}};
  return {trades, bars};
}

Cost through_perch(rows::Format format, Order order, std::string_view bytes, std::uint64_t rows) {
  const BenchFolder folder;
  Feeder feeder(folder / "feed.sock", bytes);
  const auto store =
      std::move(*tree::Store::create({std::uint64_t{2} << 30, tree::commit_with_fallocate, true}));
  auto catalog = std::move(*tables::Catalog::make(tables_with_rollup(order)));
  ingest::IngestSpec spec;
  spec.reject_log = folder / "rejects.ndjson";
  spec.commit_max_rows = 4096;  // max_delay, 1 ms, ends most commits before
  ingest::SourceSpec source;
  source.name = "feed";
  source.type = ingest::SourceType::unix_socket;
  source.path = folder / "feed.sock";
  source.format = format;
  source.feeds = {{"trades", {}, {}}};
  spec.sources.push_back(source);
  ingest::Ingest ingest(*store, catalog, spec);
  PERCH_ASSERT(ingest.start().has_value(), "ingest starts");
  const double begin = now_seconds();
  const double cpu_begin = process_cpu_seconds();
  feeder.go();
  while (ingest.commits().rows < rows) {
    std::this_thread::sleep_for(1ms);
    PERCH_ASSERT(now_seconds() - begin < 300, "all rows arrive");
  }
  const Cost cost{now_seconds() - begin, process_cpu_seconds() - cpu_begin};
  const auto status = ingest.sources().front();
  ingest.stop();
  PERCH_ASSERT(status.rows == rows && status.rejects == 0, "every row is taken");
  PERCH_ASSERT(store->rows(0) == std::min(rows, rows_kept), "retention keeps what it should");
  return cost;
}

/// Counts the replies: each begins with '$' (an id) at a line's begin, '-' is an error.
std::uint64_t count_replies(int descriptor, std::uint64_t until) {
  char block[64 << 10];
  std::uint64_t lines = 0;
  while (lines < 2 * until) {  // a length and an id each
    const ssize_t count = ::read(descriptor, block, sizeof block);
    PERCH_ASSERT(count > 0, "redis answers");
    lines += static_cast<std::uint64_t>(std::count(block, block + count, '\n'));
  }
  return lines / 2;
}

/// Pipelined: one thread writes, one reads the replies. What the client costs counts for nobody.
Cost through_redis(std::string_view commands, std::uint64_t rows) {
  const BenchFolder folder;
  const RedisServer server(folder / "redis.sock");
  const UniqueFd connection = connect_to(folder / "redis.sock");
  const double begin = now_seconds();
  const double cpu_begin = server.cpu_seconds();
  std::thread writer([&] { write_all(connection.get(), commands); });
  const std::uint64_t replies = count_replies(connection.get(), rows);
  writer.join();
  PERCH_ASSERT(replies == rows, "redis answers each command");
  return {now_seconds() - begin, server.cpu_seconds() - cpu_begin};
}

void check(int code) {
  if (code == MDB_SUCCESS) return;
  std::fprintf(stderr, "lmdb: %s\n", mdb_strerror(code));
  std::exit(1);
}

/// The plain loop that a program would begin with: a line, nlohmann_json, a put; a commit each 256 rows.
Cost through_lmdb(std::string_view bytes, std::uint64_t rows) {
  const BenchFolder folder;
  std::filesystem::create_directory(folder / "db");
  MDB_env* env = nullptr;
  check(mdb_env_create(&env));
  check(mdb_env_set_mapsize(env, std::size_t{4} << 30));
  check(mdb_env_open(env, (folder / "db").c_str(), MDB_NOSYNC | MDB_WRITEMAP | MDB_NOMETASYNC, 0600));
  const double begin = now_seconds();
  const double cpu_begin = process_cpu_seconds();
  MDB_txn* transaction = nullptr;
  MDB_dbi table = 0;
  std::uint64_t done = 0;
  for (std::size_t at = 0; at < bytes.size();) {
    const std::size_t end = bytes.find('\n', at);
    const auto row = nlohmann::json::parse(bytes.substr(at, end - at));
    at = end + 1;
    char key[16]{};
    const std::string symbol = row.at("symbol");
    std::memcpy(key, symbol.data(), std::min<std::size_t>(symbol.size(), 8));
    const std::uint64_t seq = __builtin_bswap64(row.at("seq").get<std::uint64_t>());
    std::memcpy(key + 8, &seq, sizeof seq);
    struct {
      std::int64_t ts;
      double price, size;
    } value{row.at("ts"), row.at("price"), row.at("size")};
    if (transaction == nullptr) {
      check(mdb_txn_begin(env, nullptr, 0, &transaction));
      if (done == 0) check(mdb_dbi_open(transaction, nullptr, 0, &table));
    }
    MDB_val k{sizeof key, key};
    MDB_val v{sizeof value, &value};
    check(mdb_put(transaction, table, &k, &v, 0));
    if (++done % 256 == 0 || done == rows) {
      check(mdb_txn_commit(transaction));
      transaction = nullptr;
    }
  }
  const Cost cost{now_seconds() - begin, process_cpu_seconds() - cpu_begin};
  mdb_env_close(env);
  return cost;
}

void run(Report& report, const std::string& workload, rows::Format format, const std::string& bytes,
         const std::vector<TradeRow>& rows) {
  add(report, workload, "perch", rows.size(), through_perch(format, Order::by_symbol, bytes, rows.size()));
  const bool is_binary = format == rows::Format::binary;
  add(report, workload, "perch_by_time", rows.size(),
      through_perch(format, Order::by_time, is_binary ? trades_by_time_as_binary(rows) : bytes, rows.size()));
  if (RedisServer::program().empty()) {
    std::fprintf(stderr, "without redis: redis-server is missing\n");
  } else {
    // A third of the rows: their stream would need a gigabyte.
    const std::vector<TradeRow> some(rows.begin(), rows.begin() + std::ptrdiff_t((rows.size() + 2) / 3));
    add(report, workload, "redis", some.size(), through_redis(trades_as_xadd(some), some.size()));
  }
  if (format == rows::Format::ndjson) {
    const std::vector<TradeRow> some(rows.begin(), rows.begin() + std::ptrdiff_t((rows.size() + 2) / 3));
    add(report, workload, "nlohmann_lmdb", some.size(), through_lmdb(trades_as_ndjson(some), some.size()));
  }
}

}  // namespace

void ingest_ndjson(Report& report, std::uint64_t count) {
  const auto rows = make_trades(count);
  run(report, "ingest_ndjson", rows::Format::ndjson, trades_as_ndjson(rows), rows);
}

void ingest_csv(Report& report, std::uint64_t count) {
  const auto rows = make_trades(count);
  run(report, "ingest_csv", rows::Format::csv, trades_as_csv(rows), rows);
}

void ingest_binary(Report& report, std::uint64_t count) {
  const auto rows = make_trades(3 * count);  // it is over so soon
  run(report, "ingest_binary", rows::Format::binary, trades_as_binary(rows), rows);
}

}  // namespace perch::bench
