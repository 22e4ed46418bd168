// WriterLoop: the one thread that changes the tables. It takes rows from all sources in turn and commits
// them.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "base/duration_histogram.hpp"
#include "ingest/commit_schedule.hpp"
#include "ingest/doorbell.hpp"
#include "ingest/ingest.hpp"
#include "ingest/log_limit.hpp"
#include "ingest/source.hpp"
#include "tables/table_writer.hpp"
#include "tree/store.hpp"

namespace perch::ingest {

/// Commits when CommitSchedule says so. In steady state it allocates nothing from the heap and takes no lock.
///
/// When the arena is full no row is lost: the row at hand and those queued stay where they are, the queues
/// fill, and the sources stop reading. It tries again every few milliseconds (retention, and readers that let
/// go, make room).
///
/// Thread safety: start and stop from one thread; `bell` as it says; the rest from any.
class WriterLoop {
 public:
  /// `spec` gives the commit policy. All sources are given before start; their order is that of the positions
  /// in a commit. All references outlive this.
  WriterLoop(tree::Store& store, const tables::Catalog& catalog, const IngestSpec& spec,
             WhoRetains who_retains = {});
  ~WriterLoop();

  void start(const std::vector<std::unique_ptr<Source>>& sources);
  /// Once the sources have ended: applies and commits what is queued (as far as there is room), joins the
  /// thread.
  void stop();
  Doorbell& bell() noexcept { return bell_; }

  CommitStatus status() const;
  /// Of the source with this index in the spec, as of the last commit.
  tree::SourcePosition committed(std::size_t source) const;
  std::uint64_t evicted_rows(tree::TableIndex table) const;

 private:
  using Clock = std::chrono::steady_clock;

  struct Input {
    Source* source;
    std::uint32_t next_row = 0;  // of the front batch
  };
  /// What others may see, written after each commit. relaxed, being figures for a display that may belong to
  /// different commits, except `rows` (see committed()).
  struct Committed {
    std::atomic<std::uint64_t> bytes{0};
    std::atomic<std::uint64_t> rows{0};
    std::atomic<std::uint64_t> restarts{0};
  };

  void run();
  bool drain_once();
  bool apply_batch(std::size_t index);
  bool make_room();
  bool try_to_make_room();
  std::uint32_t warm_rows(const tables::Table& table, const RowBatch& batch, std::uint32_t begin);
  void commit();
  void publish();
  bool evict_when_idle();
  void publish_status(tree::Version version, std::int64_t commit_time_ns);
  void sleep_until_due();
  bool reclaim_when_idle();
  bool work_is_queued() const;
  void tell_out_of_room();
  void tell_room_again();
  void set_out_of_room_reason(std::string reason);
  std::string find_out_of_room_reason() const;

  // Constant after start
  tree::Store& store_;
  const std::size_t table_count_;
  const WhoRetains who_retains_;  // may be empty

  // The writer thread's own
  tables::TableWriter writer_;
  std::vector<Input> inputs_;
  std::vector<tree::SourcePosition> positions_;  // of the rows applied so far
  CommitSchedule uncommitted_;                   // the rows applied since the last commit
  std::uint64_t committed_rows_ = 0;
  Clock::time_point now_{};          // refreshed once per batch and commit
  Clock::time_point rows_waited_{};  // since when rows have been waiting for a commit; zero: none are
  Clock::time_point idle_since_{};   // since when no row has come; zero: one has, just now
  LogLimit out_of_room_limit_{1, std::chrono::seconds(30)};  // room may come and go with every commit
  bool out_of_room_ = false;
  bool said_out_of_room_ = false;  // and not yet that there is room again
  std::thread thread_;

  // Shared
  Doorbell bell_;
  std::atomic<bool> stopping_{false};
  std::unique_ptr<Committed[]> committed_;                 // by source
  std::unique_ptr<std::atomic<std::uint64_t>[]> evicted_;  // by table
  std::atomic<tree::Version> version_{0};
  std::atomic<std::uint64_t> rows_{0};
  std::atomic<std::int64_t> last_commit_ns_{0};
  DurationHistogram gaps_;           // between commits while rows were waiting; the writer records
  mutable std::mutex reason_mutex_;  // guards what follows; the writer's when room ends or comes back
  std::string out_of_room_reason_;   // "": there is room
};

}  // namespace perch::ingest
