// A small real host behind a control socket, and a peer that talks to it with plain system calls.
#pragma once

#include <doctest/doctest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <thread>

#include "base/units.hpp"
#include "control/server.hpp"
#include "readers/reader_manager.hpp"
#include "readers/readers_spec.hpp"
#include "unit/test_files.hpp"

namespace perch::control::testing {

using nlohmann::json;

/// Whoever may connect must reach the socket.
class TemporaryFolder : public test::TemporaryFolder {
 public:
  TemporaryFolder() { std::filesystem::permissions(path(), std::filesystem::perms(0755)); }
};

/// One connection. Waiting is bounded by a time that only a hang reaches.
class Peer {
 public:
  explicit Peer(const std::filesystem::path& socket) : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, socket.c_str(), sizeof address.sun_path - 1);
    REQUIRE(::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  }

  int fd() const { return fd_.get(); }
  void send(const std::string& bytes) {
    for (std::size_t sent = 0; sent < bytes.size();) {
      const ssize_t count = ::send(fd(), bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
      REQUIRE(count > 0);
      sent += static_cast<std::size_t>(count);
    }
  }
  void finish_sending() { ::shutdown(fd(), SHUT_WR); }

  /// None: the server ended the connection.
  std::optional<std::string> line() {
    for (;;) {
      if (const std::size_t end = received_.find('\n'); end != std::string::npos) {
        std::string first = received_.substr(0, end);
        received_.erase(0, end + 1);
        return first;
      }
      pollfd descriptor{fd(), POLLIN, 0};
      REQUIRE_MESSAGE(::poll(&descriptor, 1, 30'000) == 1, "the server does not answer");
      char chunk[65536];
      const ssize_t got = ::recv(fd(), chunk, sizeof chunk, 0);
      if (got <= 0) return std::nullopt;
      received_.append(chunk, static_cast<std::size_t>(got));
    }
  }
  json message() {
    const auto text = line();
    REQUIRE(text);
    return json::parse(*text);
  }

  json call(const std::string& method, const json& params = json::object()) {
    const int id = ++last_id_;
    send(json{{"jsonrpc", "2.0"}, {"id", id}, {"method", method}, {"params", params}}.dump() + "\n");
    json reply = message();
    REQUIRE(reply.value("id", json()) == id);
    return reply;
  }
  json result(const std::string& method, const json& params = json::object()) {
    const json reply = call(method, params);
    REQUIRE_MESSAGE(reply.contains("result"), reply.dump());
    return reply["result"];
  }
  json error(const std::string& method, const json& params = json::object()) {
    const json reply = call(method, params);
    REQUIRE_MESSAGE(reply.contains("error"), reply.dump());
    return reply["error"];
  }

 private:
  UniqueFd fd_;
  std::string received_;
  int last_id_ = 0;
};

/// Table "rows": key (name, n), value (x, big), filled from `lines` by a file source, all committed.
class SmallHost {
 public:
  explicit SmallHost(const std::string& lines = "", ServerSpec spec = {})
      : catalog(*tables::Catalog::make({{"rows",
                                         {{"name", "char[4]"}, {"n", "int64"}},
                                         {{"x", "float64"}, {"big", "uint64"}},
                                         std::nullopt}})),
        store(*tree::Store::create({std::uint64_t{256} << 20})),
        readers(readers_spec(), catalog, store->reads(), events) {
    std::ofstream(folder / "input.ndjson") << lines;
    ingest::IngestSpec ingest_spec;
    ingest::SourceSpec source;
    source.name = "input";
    source.type = ingest::SourceType::file;
    source.path = folder / "input.ndjson";
    source.feeds = {{"rows", {}, {}}};
    ingest_spec.sources = {source};
    ingest_spec.reject_log = folder / "rejects.ndjson";
    ingest = std::make_unique<ingest::Ingest>(*store, catalog, ingest_spec);
    REQUIRE(ingest->start());
    while (!ingest->finished()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    REQUIRE(readers.start());

    spec.socket = socket;
    server = std::make_unique<Server>(
        Host{"test", "9.8.7", unix_now_ns(), catalog, *store, *ingest, readers, events}, spec);
    const auto opened = server->open();
    REQUIRE_MESSAGE(opened.has_value(), opened.error().message);
    REQUIRE(server->start());
  }
  ~SmallHost() {
    server->stop();
    readers.stop();
    ingest->stop();
  }

  /// A peer that has read its greeting.
  Peer connect() const {
    Peer peer(socket);
    REQUIRE(peer.message().contains("perch"));
    return peer;
  }

  readers::ReadersSpec readers_spec() const {
    readers::ReadersSpec spec;  // no folder to watch
    spec.private_folder = folder / "generations";
    return spec;
  }

  TemporaryFolder folder;
  std::filesystem::path socket = folder / "perch.sock";
  tables::Catalog catalog;
  std::unique_ptr<tree::Store> store;
  instances::EventHub events;
  readers::ReaderManager readers;
  std::unique_ptr<ingest::Ingest> ingest;
  std::unique_ptr<Server> server;
};

}  // namespace perch::control::testing
