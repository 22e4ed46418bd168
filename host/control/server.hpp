// The control socket: JSON-RPC 2.0, one object per line, over AF_UNIX.
//
// On connecting, a peer gets one line {"perch":{"name":…,"version":…,"role":"owner"|"operator"|"viewer"}}:
// the host's own user and root are owners, everybody else that the socket's mode lets in may look but not
// change.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "control/role.hpp"
#include "ingest/ingest.hpp"
#include "instances/event_hub.hpp"
#include "instances/reader_processes.hpp"
#include "readers/reader_manager.hpp"
#include "tables/catalog.hpp"
#include "tree/store.hpp"

namespace perch::control {

/// What a reload did, by name.
struct ReloadReport {
  std::vector<std::string> added_tables;
  std::vector<std::string> added_sources, removed_sources, changed_sources;
  std::vector<std::string> added_readers, removed_readers, changed_readers;
  std::vector<std::string> other;     ///< "commit", "log.level"
  std::vector<std::string> problems;  ///< readers that do not run as wanted
};

/// The parts of a running host that the methods speak of. All outlive the server.
struct Host {
  std::string name;
  std::string version;      ///< of perchd
  std::int64_t started_ns;  ///< since 1970 UTC
  const tables::Catalog& catalog;
  tree::Store& store;  ///< only its any-thread methods
  ingest::Ingest& ingest;
  readers::ReaderManager& readers;
  instances::EventHub& events;
  std::chrono::nanoseconds probation =
      std::chrono::seconds(5);  ///< the configured one: a swap may take so much longer
  /// Begins a reload and returns; `done` is called when it is over, on another thread.
  std::function<void(std::function<void(Result<ReloadReport>)> done)> reload = {};
  instances::ReaderProcesses* processes = nullptr;  ///< null: no other process may map the tree
};

struct ServerSpec {
  std::filesystem::path socket;
  unsigned mode = 0660;
  RolePolicy roles;
  std::chrono::nanoseconds request_time_max = std::chrono::seconds(60);  ///< a swap's probation comes on top
  std::chrono::nanoseconds stall_time_max = std::chrono::seconds(10);
};

/// One thread for all connections.
///
/// Bounds: 64 connections, and those of processes that map the tree (ReaderProcesses::processes_max); 1 MiB
/// per request line; 32 requests under way per connection, further lines wait; `request_time_max` per
/// request. A peer that does not take its replies: at 1 MiB unsent its further requests wait and its events
/// are dropped and counted, after `stall_time_max` with requests waiting, or at 4 MiB, it is closed.
///
/// Thread safety: open, start and stop from one thread.
class Server {
 public:
  Server(Host host, ServerSpec spec);
  ~Server();
  /// Binds the socket and listens; a socket file that a dead host left behind is replaced, a live host's is
  /// an error. Who connects waits for its greeting until start.
  Result<void> open();
  /// Once, after open: answers.
  Result<void> start();
  /// Requests under way are answered with an error. Removes the socket file. Nothing if never opened.
  void stop();

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace perch::control
