#include "control/connection.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <span>

#include "base/assert.hpp"
#include "base/descriptor_message.hpp"
#include "control/json_rpc.hpp"

namespace perch::control {

void Connection::receive(std::size_t bytes_max) {
  std::array<char, 64 * 1024> chunk;
  for (std::size_t received = 0; received < bytes_max && !peer_finished_ && !broken_;) {
    const ssize_t got = ::recv(fd(), chunk.data(), chunk.size(), MSG_DONTWAIT);
    if (got > 0) {
      received += static_cast<std::size_t>(got);
      lines_.append({chunk.data(), static_cast<std::size_t>(got)});
    } else if (got == 0) {
      peer_finished_ = true;
    } else if (errno == EINTR) {
      continue;
    } else {
      if (errno != EAGAIN) broken_ = true;
      return;
    }
  }
}

Line Connection::take_line() {
  has_asked_ = true;
  last_request_ = Clock::now();
  Line line;
  const bool is_taken = lines_.next(line) || (peer_finished_ && lines_.finish(line));
  PERCH_ASSERT(is_taken, "a line was asked for where there is none");
  return line;
}

void Connection::leave() {
  constexpr std::size_t more_than_the_system_holds = std::size_t{64} << 20;
  receive(more_than_the_system_holds);
  peer_left_ = true;
  subscription.reset();
  unsent_.clear();
  parcels_.clear();
  sent_ = 0;
}

void Connection::send(std::string_view lines, std::vector<UniqueFd> descriptors) {
  if (peer_left_) return;
  if (unsent_bytes() == 0) last_taken_ = Clock::now();
  if (unsent_bytes() + lines.size() > unsent_bytes_max) {
    broken_ = true;
    return;
  }
  if (!descriptors.empty()) parcels_.push_back({unsent_.size(), std::move(descriptors)});
  unsent_.append(lines);
}

/// As send(2): up to where the next descriptors go along, or from there on with them.
ssize_t Connection::send_some() {
  constexpr int flags = MSG_DONTWAIT | MSG_NOSIGNAL;
  if (parcels_.empty() || parcels_.front().at > sent_) {
    const std::size_t end = parcels_.empty() ? unsent_.size() : parcels_.front().at;
    return ::send(fd(), unsent_.data() + sent_, end - sent_, flags);
  }
  std::vector<int> descriptors;
  for (const UniqueFd& descriptor : parcels_.front().descriptors) descriptors.push_back(descriptor.get());
  const ssize_t count = send_with_descriptors(fd(), std::span(unsent_.data() + sent_, unsent_.size() - sent_),
                                              descriptors, flags);
  if (count > 0) parcels_.pop_front();
  return count;
}

void Connection::flush() {
  while (sent_ < unsent_.size() && !broken_) {
    const ssize_t count = send_some();
    if (count >= 0) {
      sent_ += static_cast<std::size_t>(count);
      last_taken_ = Clock::now();
    } else if (errno != EINTR) {
      if (errno != EAGAIN) broken_ = true;
      break;
    }
  }
  // Moving the rest only when it is the smaller part keeps the cost per byte constant.
  if (sent_ >= unsent_.size() - sent_) {
    unsent_.erase(0, sent_);
    for (Parcel& parcel : parcels_) parcel.at -= sent_;
    sent_ = 0;
  }
}

std::optional<Clock::time_point> Connection::stalled_since() {
  if (unsent_bytes() < unsent_pause_bytes || !has_line()) return std::nullopt;
  return last_taken_;
}

bool Connection::is_over() {
  if (broken_) return true;
  if (peer_left_) return !may_take_line();
  return peer_finished_ && !has_line() && pending.empty() && unsent_bytes() == 0 && !subscription &&
         !attachment;
}

void Connection::pump_events() {
  events_waiting_ = false;
  if (!subscription) return;
  constexpr int events_per_turn = 256;
  for (int i = 0; i < events_per_turn; ++i) {
    std::uint64_t lost = 0;
    const auto event = subscription->take(lost);
    events_dropped_ += lost;
    if (events_dropped_ > 0 && unsent_bytes() < unsent_pause_bytes) send_dropped();
    if (!event) return;
    if (unsent_bytes() < unsent_pause_bytes) {
      send_event(*event);
    } else {
      ++events_dropped_;
    }
  }
  events_waiting_ = true;
}

void Connection::send_dropped() {
  send(notification_line("events.dropped", R"({"count":)" + std::to_string(events_dropped_) + "}"));
  events_dropped_ = 0;
}

void Connection::send_event(const instances::Event& event) {
  // The data goes through as the reader wrote it, numbers untouched; only its line ends must go, which JSON
  // allows as white space and nowhere else.
  std::string data = event.json;
  if (Json::accept(data)) {
    std::replace(data.begin(), data.end(), '\n', ' ');
    std::replace(data.begin(), data.end(), '\r', ' ');
  } else {
    data = to_text(Json(data));
  }
  const Json head{{"sequence", event.sequence}, {"time", event.time_ns},          {"kind", event.kind},
                  {"reader", event.reader},     {"generation", event.generation}, {"version", event.version},
                  {"topic", event.topic}};
  std::string params = to_text(head);
  params.pop_back();
  params.append(R"(,"data":)").append(data).push_back('}');
  send(notification_line("event", params));
}

}  // namespace perch::control
