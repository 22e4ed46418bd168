// Ingest: sources, their threads, and the writer loop that turns their rows into commits.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/duration_histogram.hpp"
#include "base/result.hpp"
#include "rows/csv_spec.hpp"
#include "rows/format.hpp"
#include "rows/mapping.hpp"
#include "tables/catalog.hpp"
#include "tree/store.hpp"

namespace perch::ingest {

enum class SourceType { exec, file, standard_input, tcp, unix_socket };

struct SourceSpec {
  std::string name;
  SourceType type = SourceType::exec;
  std::vector<std::string> command;  ///< exec: program and arguments; the program already resolved to a path
  std::filesystem::path path;        ///< file; unix_socket: where to listen
  std::string address;               ///< tcp: where to listen, "127.0.0.1:4000", "[::1]:4000"
  unsigned mode = 0660;              ///< unix_socket: who may connect, as the file's mode
  std::uint32_t connections_max = 256;  ///< listeners
  bool follow = false;                  ///< file: go on reading as it grows or is replaced, like tail -F
  bool restart = true;                  ///< exec: start again when it ends
  std::chrono::nanoseconds restart_delay_min = std::chrono::milliseconds(100);  ///< doubled up to max
  std::chrono::nanoseconds restart_delay_max = std::chrono::seconds(10);
  bool spin = false;  ///< ask for input without sleeping: a processor for a few microseconds
  rows::Format format = rows::Format::ndjson;
  rows::CsvSpec csv;
  std::vector<rows::FeedSpec> feeds;
  bool operator==(const SourceSpec&) const = default;
};

struct IngestSpec {
  std::vector<SourceSpec> sources;
  std::uint32_t commit_max_rows = 256;
  std::chrono::nanoseconds commit_max_delay = std::chrono::milliseconds(1);
  std::filesystem::path reject_log;                  ///< <run_dir>/rejects.ndjson
  std::uint64_t reject_log_bytes_max = 64ull << 20;  ///< then it is renamed to <name>.1 and begun anew
};

/// Which readers hold memory back, in words; "" when none does. Called when the arena is full, on the
/// writer's thread.
using WhoRetains = std::function<std::string()>;

struct SourceStatus {
  std::string name;
  std::string type;    ///< exec, file, stdin, tcp, unix
  std::string format;  ///< ndjson, csv, binary
  std::vector<std::string> tables;
  std::string state;  ///< starting, reading, waiting, restarting, ended, failed
  std::string last_error;
  std::uint64_t rows = 0;   ///< accepted
  std::uint64_t bytes = 0;  ///< read
  std::uint64_t rejects = 0;
  std::map<std::string, std::uint64_t> rejects_by_reason;
  std::uint64_t rejects_not_logged = 0;  ///< of those: the reject log could not be written
  std::uint64_t skipped = 0;             ///< rows that feed no table
  std::uint64_t restarts = 0;
  std::uint32_t connections = 0;          ///< of a listener, now
  std::uint64_t connections_refused = 0;  ///< beyond connections_max
  std::uint64_t lag_bytes = 0;            ///< there to be read, where the system can tell
  std::int64_t lag_ns = 0;                ///< since when the oldest row waits that is read and not applied
  std::int64_t latency_p50_ns = 0, latency_p99_ns = 0, latency_max_ns = 0;  ///< from read to committed
  std::vector<DurationHistogram::Bucket> latency_histogram;
  std::uint32_t queued_batches = 0;
  std::uint32_t queue_capacity = 0;
  tree::SourcePosition committed;  ///< as of the last commit
};

struct CommitStatus {
  tree::Version version = 0;
  std::uint64_t rows = 0;           ///< committed since start, all tables
  std::int64_t last_commit_ns = 0;  ///< since 1970 UTC
  /// Between two commits while rows were waiting, over the host's life; quantiles at most 25 % too large.
  std::int64_t gap_p50_ns = 0, gap_p99_ns = 0, gap_p999_ns = 0;
  std::int64_t longest_gap_ns = 0;
  std::vector<DurationHistogram::Bucket> gap_histogram;
  bool out_of_room = false;        ///< the arena is full: sources are held back until there is room
  std::string out_of_room_reason;  ///< what is full, who holds memory back, what to do
};

/// What a running ingest can be told to do otherwise.
struct IngestChange {
  std::vector<tables::TablePtr> add_tables;  ///< the catalog's next ones
  std::vector<std::string> remove_sources;
  std::vector<SourceSpec> add_sources;  ///< may have the name of a removed one
  std::uint32_t commit_max_rows = 256;
  std::chrono::nanoseconds commit_max_delay = std::chrono::milliseconds(1);
};

/// Thread safety: start, change and stop from one thread; the rest from any.
class Ingest {
 public:
  /// `store` and `catalog` outlive this; from start to stop the store's writer side belongs to it, and so
  /// does adding to the catalog.
  Ingest(tree::Store& store, tables::Catalog& catalog, IngestSpec spec, WhoRetains who_retains = {});
  ~Ingest();

  /// Opens files and starts all threads. Errors name the source.
  Result<void> start();
  /// All of it or, with an error, none. A removed source's rows that are queued are committed; the rest go on
  /// meanwhile. A new table is there to be read when this returns.
  Result<void> change(const IngestChange& change);
  /// Stops the sources (exec children are ended), commits the rows already queued, joins all threads.
  void stop();
  /// True when every source has ended for good and all their rows are committed.
  bool finished() const;

  std::vector<SourceStatus> sources() const;
  CommitStatus commits() const;
  std::vector<std::uint64_t> evicted_rows() const;  ///< by table index
  std::vector<std::uint64_t> late_rows() const;     ///< by table index: of rollups

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace perch::ingest
