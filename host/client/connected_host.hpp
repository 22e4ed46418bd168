// ConnectedHost: a host as a process sees it that nobody loaded: its tables, and its live tree.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/joinable_thread.hpp"
#include "base/unique_fd.hpp"
#include "client/client.hpp"
#include "client/outcome.hpp"
#include "perch/plugin.h"
#include "reading/snapshot_access.hpp"
#include "tables/catalog.hpp"
#include "tables/fit.hpp"
#include "tree/mapped_arena.hpp"
#include "tree/pins.hpp"

namespace perch::client {

/// Thread safety: everything from any thread, but `bind`, `refresh` and the end, which nothing else may
/// accompany.
///
/// Invariants
///   1. A perch_snapshot keeps its address and stays one as long as this: what is given back too early, or
///      twice, is told from what is pinned.
///   2. `ended_` is set by the watcher alone, which then wakes every sleeper.
class ConnectedHost {
 public:
  static Outcome<std::unique_ptr<ConnectedHost>> connect(const std::string& socket, const std::string& name,
                                                         Deadline deadline);
  ~ConnectedHost();
  ConnectedHost(const ConnectedHost&) = delete;
  ConnectedHost& operator=(const ConnectedHost&) = delete;

  const std::string& socket() const noexcept { return socket_; }
  /// Those that indexes name.
  const std::vector<tables::TablePtr>& tables() const noexcept { return bound_; }
  /// All that the host has, as far as is known.
  const tables::Catalog& catalog() const noexcept { return catalog_; }
  const perch_host& functions() const noexcept { return functions_; }

  /// Layouts "": whatever they are.
  Outcome<void> bind(const std::vector<tables::WantedTable>& wanted);
  Outcome<void> refresh(Deadline deadline);

  Outcome<const perch_snapshot*> pin();
  void unpin(const perch_snapshot* snapshot);

  tree::Version version() const noexcept { return reads_->published_version(); }
  bool has_ended() const noexcept { return ended_.load(std::memory_order_acquire); }
  /// exit_timeout, or exit_no_host: the host has ended. A negative timeout: none.
  Outcome<void> wait(tree::Version seen, std::int64_t timeout_ns) const;

 private:
  struct Pin {
    perch_snapshot snapshot;
    tree::PinSlot slot;
    bool is_free = false;
  };

  ConnectedHost(std::string socket, Client client) : socket_(std::move(socket)), client_(std::move(client)) {}
  Outcome<void> attach(const std::string& name, Deadline deadline);
  Outcome<void> take_tables(const Json& listed);
  Outcome<void> check_nothing_pinned();
  void bind_to(std::vector<tables::TablePtr> tables);
  void watch();

  const std::string socket_;
  Client client_;  // the watcher's, once it runs: the host's end, and the end of this
  UniqueFd stop_;  // an eventfd
  tables::Catalog catalog_;
  std::vector<tables::TablePtr> bound_;
  std::vector<std::unique_ptr<reading::BoundTables>>
      views_;  // the last one is in use; dead snapshots know theirs
  perch_host functions_{};
  std::optional<tree::MappedArena> arena_;
  std::unique_ptr<tree::ReadSide> reads_;  // behind what it reads
  // Release by the watcher, acquire by who asks: nothing else depends on it.
  std::atomic<bool> ended_{false};
  JoinableThread watcher_;

  std::mutex mutex_;  // guards what follows
  std::deque<Pin> pins_;
  std::vector<Pin*> free_;
};

}  // namespace perch::client
