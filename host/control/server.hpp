// The control socket: JSON-RPC 2.0, one object per line, over AF_UNIX.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "base/result.hpp"
#include "ingest/ingest.hpp"
#include "readers/event_hub.hpp"
#include "readers/reader_manager.hpp"
#include "tables/catalog.hpp"
#include "tree/store.hpp"

namespace perch::control {

/// The parts of a running host that the methods speak of. All outlive the server.
struct Host {
  std::string name;
  std::string version;       ///< of perchd
  std::int64_t started_ns;   ///< since 1970 UTC
  const tables::Catalog& catalog;
  tree::Store& store;        ///< only its any-thread methods
  ingest::Ingest& ingest;
  readers::ReaderManager& readers;
  readers::EventHub& events;
};

struct ServerSpec {
  std::filesystem::path socket;
  unsigned mode = 0660;
};

/// One thread for all connections. Bounds: 64 connections, 1 MiB per request line, 32 requests under way per connection,
/// 4 MiB of unsent replies per connection (then it is closed), 60 s per request.
class Server {
 public:
  Server(Host host, ServerSpec spec);
  ~Server();
  /// Binds the socket; a socket file that a dead host left behind is replaced, a live host's is an error.
  Result<void> start();
  void stop();

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace perch::control
