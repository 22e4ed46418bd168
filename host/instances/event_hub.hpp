// EventHub: what readers publish and what happens to them, to everyone who listens.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace perch::instances {

/// Every kind of event. "publication" is a reader's result; the others are what becomes of readers.
inline constexpr std::array<std::string_view, 23> event_kinds{
    "publication",     "reader.loaded",      "reader.step",     "reader.swapped", "reader.configured",
    "reader.accepted", "reader.rolled_back", "reader.refused",  "reader.failed",  "reader.restarted",
    "reader.crashed",  "reader.quarantined", "reader.disabled", "reader.enabled", "reader.unloaded",
    "reader.slow",     "reader.slow_ended",  "reader.retains",  "reader.killed",  "reader.sandboxed",
    "client.attached", "client.gone",        "host.degraded"};

/// `kind`: one of event_kinds.
struct Event {
  std::uint64_t sequence = 0;  ///< set by the hub: 1, 2, 3 …
  std::int64_t time_ns = 0;    ///< set by the hub
  std::string kind;
  std::string reader;            ///< may be empty (a file that is nobody's yet)
  std::uint64_t generation = 0;  ///< 0: none
  std::uint64_t version = 0;     ///< of the snapshot that a publication speaks of
  std::string topic;             ///< publications only
  std::string json = "{}";  ///< publication: the plugin's JSON; else details such as {"cause":"…","file":"…"}
};

/// One listener's bounded queue: at most `capacity` events and 16 MiB of JSON. Thread safe.
class Subscription {
 public:
  static constexpr std::size_t bytes_max = std::size_t{16} << 20;

  /// The oldest event not yet taken. `dropped` counts those lost because the queue was full, and is then
  /// cleared.
  std::optional<Event> take(std::uint64_t& dropped);

 private:
  friend class EventHub;
  void put(const Event& event);

  std::mutex mutex_;
  std::deque<Event> events_;
  std::size_t bytes_ = 0;  // JSON of the queued events
  std::uint64_t dropped_ = 0;
  std::size_t capacity_ = 0;
  std::function<bool(const Event&)> wanted_;
  std::function<void()> on_event_;
};

/// Thread safe. Publishing never waits for a listener: a full queue drops its oldest.
///
/// Invariants
///   1. Every subscription sees events in the order of their sequence: they are numbered and queued under one
///   mutex.
///   2. `wanted` and `on_event` run under that mutex: they must not call the hub, nor drop the last pointer
///   to a
///      subscription of it.
class EventHub {
 public:
  void publish(Event event);
  /// `wanted` null: everything. `on_event` is called on the publishing thread and must not block (e.g. write
  /// an eventfd). Ends when the returned pointer is dropped.
  std::shared_ptr<Subscription> subscribe(std::size_t capacity, std::function<bool(const Event&)> wanted,
                                          std::function<void()> on_event);
  std::uint64_t published() const;

 private:
  mutable std::mutex mutex_;
  std::uint64_t sequence_ = 0;
  std::vector<std::weak_ptr<Subscription>> subscriptions_;
};

}  // namespace perch::instances
