// Connection: one peer: its bytes in and out, the requests it waits for, the events it listens to.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

#include "base/line_splitter.hpp"
#include "base/unique_fd.hpp"
#include "control/role.hpp"
#include "instances/event_hub.hpp"
#include "instances/reader_processes.hpp"

namespace perch::control {

inline constexpr std::size_t request_bytes_max = std::size_t{1} << 20;
inline constexpr std::size_t requests_under_way_max = 32;
inline constexpr std::size_t unsent_pause_bytes = std::size_t{1}
                                                  << 20;  ///< requests wait and events are dropped
inline constexpr std::size_t unsent_bytes_max = std::size_t{4} << 20;  ///< the peer is closed

using Clock = std::chrono::steady_clock;

struct PendingRequest {
  std::optional<std::string> id;  ///< JSON text; none: nobody waits for the answer
  Clock::time_point deadline;
  std::vector<UniqueFd> descriptors = {};  ///< to go with the answer
};

/// For the server's thread alone.
///
/// Invariants
///   1. Unsent bytes never pass unsent_bytes_max: the connection breaks instead.
///   2. pending holds at most requests_under_way_max requests.
class Connection {
 public:
  Connection(UniqueFd fd, std::uint64_t id, Role role) : fd_(std::move(fd)), id_(id), role_(role) {}

  int fd() const noexcept { return fd_.get(); }
  std::uint64_t id() const noexcept { return id_; }
  Role role() const noexcept { return role_; }

  /// Takes what has arrived, at most `bytes_max`.
  void receive(std::size_t bytes_max);
  /// Queues whole lines; the descriptors arrive with the first byte of them (unix(7), SCM_RIGHTS).
  void send(std::string_view lines, std::vector<UniqueFd> descriptors = {});
  /// Gives the system as much as it takes.
  void flush();
  void break_off() { broken_ = true; }
  /// The peer has closed both ways: what it had sent is still served, nothing is sent any more.
  void leave();

  bool may_receive() { return !peer_finished_ && !lines_.has_line(); }
  bool may_take_line() { return !broken_ && !is_full() && has_line(); }
  /// There is one. Valid until the next call of this, or of receive.
  Line take_line();

  /// Sends waiting events, and counts those that find no room.
  void pump_events();
  bool has_events_waiting() const noexcept { return events_waiting_; }

  std::size_t unsent_bytes() const noexcept { return unsent_.size() - sent_; }
  /// When a peer that has further requests waiting does not take its replies: since when.
  std::optional<Clock::time_point> stalled_since();
  /// Nothing will come of it any more.
  bool is_over();

  /// Whether it may be closed to make room for somebody else: nobody waits for anything on it.
  bool is_idle() const noexcept {
    return pending.empty() && !subscription && !attachment && unsent_bytes() == 0;
  }
  bool has_asked() const noexcept { return has_asked_; }                     ///< it has ever sent a request
  Clock::time_point last_request() const noexcept { return last_request_; }  ///< or when it connected

  std::map<std::uint64_t, PendingRequest> pending;  ///< by ticket
  std::shared_ptr<instances::Subscription> subscription;
  instances::ReaderProcesses::Attachment
      attachment;  ///< the peer maps the tree, for as long as it is connected

 private:
  /// Descriptors on their way, and the unsent byte that they go with.
  struct Parcel {
    std::size_t at;
    std::vector<UniqueFd> descriptors;
  };
  /// When the peer sends no more, what is left is a line, even without a newline.
  bool has_line() { return lines_.has_line() || (peer_finished_ && lines_.has_unfinished_line()); }
  ssize_t send_some();
  bool is_full() const {
    return pending.size() >= requests_under_way_max || unsent_bytes() >= unsent_pause_bytes;
  }
  void send_event(const instances::Event& event);
  void send_dropped();

  const UniqueFd fd_;
  const std::uint64_t id_;
  const Role role_;
  LineSplitter lines_{request_bytes_max, LineSplitter::block_bytes_default, LineSplitter::TooLong::at_once};
  std::string unsent_;
  std::size_t sent_ = 0;
  std::deque<Parcel> parcels_;
  Clock::time_point last_taken_ = Clock::now();  // when the peer last took bytes, or had none to take
  Clock::time_point last_request_ = Clock::now();
  bool has_asked_ = false;
  bool peer_finished_ = false;  // it will send no more
  bool peer_left_ = false;      // nor take any
  bool broken_ = false;
  bool events_waiting_ = false;
  std::uint64_t events_dropped_ = 0;
};

}  // namespace perch::control
