// EventHub: what readers publish and what happens to them, to everyone who listens.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace perch::readers {

/// `kind` "publication": a reader's result. Others: "reader.loaded", "reader.swapped", "reader.configured",
/// "reader.unloaded", "reader.refused", "reader.failed", "reader.restarted", "reader.quarantined",
/// "reader.rolled_back", "reader.accepted".
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

}  // namespace perch::readers
