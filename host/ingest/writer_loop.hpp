// WriterLoop: the one role that changes the tables. It takes rows from all inputs in turn and commits them.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "base/duration_histogram.hpp"
#include "base/joinable_thread.hpp"
#include "base/rate_limit.hpp"
#include "ingest/commit_schedule.hpp"
#include "ingest/doorbell.hpp"
#include "ingest/ingest.hpp"
#include "ingest/writer_input.hpp"
#include "rows/row_consumer.hpp"
#include "tables/table_writer.hpp"
#include "tree/store.hpp"

namespace perch::ingest {

/// Commits when CommitSchedule says so. In steady state it allocates nothing from the heap and waits for no
/// lock.
///
/// The writer's role is a mutex. Its own thread holds it as long as there is work, and lets it go to sleep.
/// While it sleeps, a source whose stream has no more for now takes the role itself, applies its rows and
/// commits them: a row of a slow stream then costs no second thread's wake-up (25 µs). All that a role's
/// holder writes (RoleState) is handed to the next one by the mutex. What is only the thread's (ThreadState)
/// lies on its stack, where no other holder finds it.
///
/// When the arena is full no row is lost: the row at hand and those queued stay where they are, the queues
/// fill, and the sources stop reading. It tries again every few milliseconds (retention, and readers that let
/// go, make room).
///
/// Thread safety: start, stop and change from one thread; RowConsumer's from sources; the rest from any.
///
/// Invariant: `queued_` grows after a batch is in its queue, and before the bell is rung. So the thread that
/// went to sleep with all of `queued_` applied is woken for every later batch (Doorbell, invariant 1).
class WriterLoop : public rows::RowConsumer {
 public:
  using Inputs = std::vector<std::shared_ptr<WriterInput>>;

  /// `spec` gives the commit policy. All references outlive this.
  WriterLoop(tree::Store& store, const tables::Catalog& catalog, const IngestSpec& spec,
             WhoRetains who_retains = {});
  ~WriterLoop() override;

  Result<void> start(const Inputs& inputs);
  /// Runs `change` in the writer's role: between two rows, with no other thread in it.
  void change(const std::function<void()>& change);
  /// In that role: a table from the next commit on, and the inputs whose rows are taken from now on. Those
  /// that are left out have ended, and what they have queued is applied as far as there is room.
  void add_table(tables::TablePtr table) { role_.writer.add_table(std::move(table)); }
  void set_inputs(const Inputs& inputs);
  void set_commit_policy(std::uint32_t max_rows, std::chrono::nanoseconds max_delay);
  void commit_now() { commit(); }
  /// Once the inputs have ended: applies and commits what is queued (as far as there is room), joins the
  /// thread.
  void stop();

  void batch_queued() override;
  void batch_queued_and_idle() override;

  CommitStatus status() const;
  std::uint64_t evicted_rows(tree::TableIndex table) const;
  std::uint64_t late_rows(tree::TableIndex table) const;

 private:
  using Clock = std::chrono::steady_clock;
  using RoleLock = std::unique_lock<std::mutex>;

  struct Input {
    std::shared_ptr<WriterInput> from;
    std::uint32_t next_row = 0;  // of the front batch
    // When the batch of its oldest uncommitted row was begun; 0: none.
    std::int64_t oldest_uncommitted_ns = 0;
  };
  enum class Round { nothing, applied, no_room };

  /// For the holder of the role alone, whichever thread that is.
  struct RoleState {
    tables::TableWriter writer;
    CommitSchedule uncommitted;  // the rows applied since the last commit
    std::vector<Input> inputs{};
    std::vector<tree::SourcePosition> positions{};  // by slot: of the rows applied so far
    std::uint64_t committed_rows = 0;
    Clock::time_point now{};          // refreshed once per batch and commit
    Clock::time_point rows_waited{};  // since when rows have been waiting for a commit; zero: none are
    Clock::time_point idle_since{};   // since when no row has come; zero: one has, just now
    bool out_of_room = false;         // rows wait for room; the status says so
    bool said_out_of_room = false;    // and so does the log, which has to say that there is room again
  };
  /// For the loop's own thread alone.
  struct ThreadState {
    RoleLock role;
    RateLimit out_of_room_limit;  // room may come and go with every commit
  };

  void run();
  Round drain_once();
  Round apply_batch(Input& input);
  void apply_row(Input& input, const rows::RowBatch& batch);
  void wait_for_room(ThreadState& thread);
  bool try_to_make_room();
  std::uint32_t warm_rows(const WriterInput& input, const rows::RowBatch& batch, std::uint32_t begin);
  void drop_input(Input& input);
  void commit();
  void publish();
  bool evict_when_idle();
  void publish_status(tree::Version version, std::int64_t commit_time_ns);
  void sleep_until_due(ThreadState& thread);
  bool reclaim_when_idle();
  bool work_is_queued() const noexcept;
  void tell_out_of_room(ThreadState& thread);
  void tell_room_again();
  void set_out_of_room_reason(std::string reason);
  std::string find_out_of_room_reason() const;

  // Constant after start
  tree::Store& store_;
  const WhoRetains who_retains_;  // may be empty
  JoinableThread thread_;

  std::mutex role_mutex_;  // who holds it has the role
  RoleState role_;

  // Shared
  Doorbell bell_;
  std::atomic<bool> stopping_{false};
  std::atomic<std::uint64_t> queued_{0};   // batches, of all inputs, ever
  std::atomic<std::uint64_t> applied_{0};  // of those; the role's holder writes
  // What others may see, written after each commit. relaxed, being figures for a display that may belong to
  // different commits.
  std::array<std::atomic<std::uint64_t>, tree::tables_max> evicted_{};  // by table
  std::array<std::atomic<std::uint64_t>, tree::tables_max> late_{};
  std::atomic<tree::Version> version_{0};
  std::atomic<std::uint64_t> rows_{0};
  std::atomic<std::int64_t> last_commit_ns_{0};
  DurationHistogram gaps_;           // between commits while rows were waiting; the role's holder records
  mutable std::mutex reason_mutex_;  // guards what follows; taken when room ends or comes back
  std::string out_of_room_reason_;   // "": there is room
};

}  // namespace perch::ingest
