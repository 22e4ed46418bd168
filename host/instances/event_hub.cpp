#include "instances/event_hub.hpp"

#include <algorithm>
#include <utility>

#include "base/units.hpp"

namespace perch::instances {

std::optional<Event> Subscription::take(std::uint64_t& dropped) {
  const std::lock_guard lock(mutex_);
  dropped = std::exchange(dropped_, 0);
  if (events_.empty()) return std::nullopt;
  Event event = std::move(events_.front());
  events_.pop_front();
  bytes_ -= event.json.size();
  return event;
}

void Subscription::put(const Event& event) {
  if (wanted_ && !wanted_(event)) return;
  {
    const std::lock_guard lock(mutex_);
    while (!events_.empty() && (events_.size() >= capacity_ || bytes_ + event.json.size() > bytes_max)) {
      bytes_ -= events_.front().json.size();
      events_.pop_front();
      ++dropped_;
    }
    bytes_ += event.json.size();
    events_.push_back(event);
  }
  if (on_event_) on_event_();
}

void EventHub::publish(Event event) {
  event.time_ns = unix_now_ns();
  const std::lock_guard lock(mutex_);
  event.sequence = ++sequence_;
  bool some_ended = false;
  for (const auto& weak : subscriptions_) {
    if (const auto subscription = weak.lock()) {
      subscription->put(event);
    } else {
      some_ended = true;
    }
  }
  if (some_ended) {
    std::erase_if(subscriptions_, [](const auto& weak) { return weak.expired(); });
  }
}

std::shared_ptr<Subscription> EventHub::subscribe(std::size_t capacity,
                                                  std::function<bool(const Event&)> wanted,
                                                  std::function<void()> on_event) {
  auto subscription = std::make_shared<Subscription>();
  subscription->capacity_ = std::max<std::size_t>(capacity, 1);
  subscription->wanted_ = std::move(wanted);
  subscription->on_event_ = std::move(on_event);
  const std::lock_guard lock(mutex_);
  std::erase_if(subscriptions_, [](const auto& weak) { return weak.expired(); });
  subscriptions_.push_back(subscription);
  return subscription;
}

std::uint64_t EventHub::published() const {
  const std::lock_guard lock(mutex_);
  return sequence_;
}

}  // namespace perch::instances
