// Client: reads a host's live tree from a process of its own. The C++20 layer over perch/client.h, with the
// same tables, snapshots, scans and changes that reader plugins have.
//
//     perch::Client<perch::Tables<trades::Table>> client("my-tool");
//     const auto pinned = client.pin();
//     for (const auto& [key, trade] : pinned.snapshot().scan(trades::table)) …
#pragma once

#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>

#include "perch/client.h"
#include "perch/snapshot.hpp"
#include "perch/table.hpp"

namespace perch {

/// What went wrong, with the result that perch/client.h names.
class ClientError : public std::runtime_error {
 public:
  ClientError(perch_result result, const perch_error& error)
      : runtime_error(error.message), result_(result) {}
  perch_result result() const noexcept { return result_; }

 private:
  perch_result result_;
};

/// A pinned version; gives it back when it ends, before its client does.
class Pinned {
 public:
  Pinned(perch_client* client, const detail::View& view, const perch_snapshot* snapshot) noexcept
      : client_(client), view_(view), snapshot_(snapshot) {}
  Pinned(Pinned&& other) noexcept
      : client_(other.client_), view_(other.view_), snapshot_(std::exchange(other.snapshot_, nullptr)) {}
  Pinned& operator=(Pinned&& other) noexcept {
    std::swap(client_, other.client_);
    std::swap(view_, other.view_);
    std::swap(snapshot_, other.snapshot_);
    return *this;
  }
  ~Pinned() {
    if (snapshot_ != nullptr) perch_unpin(client_, snapshot_);
  }

  /// Lives as long as this.
  Snapshot snapshot() const noexcept { return {view_, snapshot_}; }
  /// The net changes of a table from this version to a newer one, in key order.
  template <class T>
  Changes<T> changes_until(T, const Pinned& newer) const {
    return Changes<T>(view_, snapshot_, newer.snapshot_);
  }

 private:
  perch_client* client_;
  detail::View view_;
  const perch_snapshot* snapshot_;
};

template <class Wanted>
class Client;

/// Connected, and its tables fit the host's, as long as it lives. Every call throws ClientError when it
/// cannot do what it says. Any thread.
template <class... Each>
class Client<Tables<Each...>> {
 public:
  /// `socket` "": $PERCH_SOCKET, else run/perch.sock. `name`: what the host calls this process.
  explicit Client(const std::string& name, const std::string& socket = "") {
    perch_error error{};
    check(perch_connect(socket.empty() ? nullptr : socket.c_str(), name.c_str(), &client_, &error), error);
    // Texts of layouts are no C strings.
    const std::string texts[][3] = {
        {std::string(Each::name), std::string(Each::facts.key_text), std::string(Each::facts.value_text)}...};
    perch_wanted_table wanted[sizeof...(Each)];
    for (std::size_t i = 0; i < sizeof...(Each); ++i)
      wanted[i] = {texts[i][0].c_str(), texts[i][1].c_str(), texts[i][2].c_str()};
    const perch_result bound = perch_bind(client_, wanted, sizeof...(Each), &error);
    if (bound == PERCH_OK) return;
    perch_close(std::exchange(client_, nullptr));
    check(bound, error);
  }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  ~Client() { perch_close(client_); }

  /// The newest version.
  Pinned pin() {
    perch_error error{};
    const perch_snapshot* snapshot = nullptr;
    check(perch_pin(client_, &snapshot, &error), error);
    return Pinned(client_, {perch_functions(client_), Tables<Each...>::facts}, snapshot);
  }
  std::uint64_t version() const noexcept { return perch_version(client_); }
  /// Sleeps until a version other than `seen` is there: true; false: the time was over first. Throws when the
  /// host has ended.
  bool wait(std::uint64_t seen, std::chrono::nanoseconds timeout = std::chrono::nanoseconds(-1)) {
    const perch_result waited = perch_wait(client_, seen, timeout.count());
    if (waited == PERCH_TIMEOUT) return false;
    check(waited, perch_error{"the host has ended"});
    return true;
  }

 private:
  static void check(perch_result result, const perch_error& error) {
    if (result != PERCH_OK) throw ClientError(result, error);
  }

  perch_client* client_ = nullptr;
};

}  // namespace perch
