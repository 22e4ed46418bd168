#include "check/watched_host.hpp"

#include <algorithm>
#include <utility>

#include "base/bounded_json.hpp"
#include "base/text.hpp"

namespace perch::check {
namespace {

constexpr std::size_t name_bytes_max = 200;
constexpr std::size_t times_kept_max = 100'000;
constexpr std::size_t publications_kept_max = 10'000;

std::string text_of(perch_string text) {
  return text.data == nullptr ? std::string() : std::string(text.data, text.size);
}

std::string name_of(perch_string text) {
  return clean_text(text_of({text.data, std::min(text.size, name_bytes_max)}), name_bytes_max);
}

/// Why the host refuses such a publication; "" when it takes it.
std::string why_refused(perch_string json) {
  if (json.data == nullptr) return "it has no text";
  if (json.size > instances::HostServices::publication_bytes_max) return "it is over 256 KiB";
  if (!is_bounded_json({json.data, json.size}, instances::HostServices::publication_depth_max))
    return "it is no JSON, or of more than 64 levels";
  return {};
}

}  // namespace

void Observations::add_publication(const std::string& topic, std::size_t bytes) {
  const std::lock_guard lock(mutex_);
  ++publications_.accepted;
  publications_.bytes_max = std::max<std::uint64_t>(publications_.bytes_max, bytes);
  if (publications_.topics.size() < names_kept_max) publications_.topics.insert(topic);
}

void Observations::add_refusal(const std::string& why) {
  const std::lock_guard lock(mutex_);
  ++publications_.refused[why];
}

void Observations::add_line(std::int32_t level, const std::string& text) {
  const std::lock_guard lock(mutex_);
  ++lines_.by_level[static_cast<std::size_t>(
      std::clamp<std::int32_t>(level, PERCH_LOG_DEBUG, PERCH_LOG_ERROR))];
  if (lines_.texts.size() < names_kept_max || lines_.texts.count(text) != 0) ++lines_.texts[text];
}

void Observations::add_metric(const std::string& name) {
  const std::lock_guard lock(mutex_);
  if (metrics_.size() < names_kept_max) metrics_.insert(name);
}

void Observations::add_time(const std::string& callback, std::int64_t took_ns) {
  const std::lock_guard lock(mutex_);
  auto& times = times_ns_[callback];
  if (times.size() < times_kept_max) times.push_back(took_ns);
}

Observations::Publications Observations::publications() const {
  const std::lock_guard lock(mutex_);
  return publications_;
}

Observations::LogLines Observations::lines() const {
  const std::lock_guard lock(mutex_);
  return lines_;
}

std::set<std::string> Observations::metrics() const {
  const std::lock_guard lock(mutex_);
  return metrics_;
}

std::map<std::string, std::vector<std::int64_t>> Observations::times_ns() const {
  const std::lock_guard lock(mutex_);
  return times_ns_;
}

std::uint64_t Observations::callbacks() const {
  const std::lock_guard lock(mutex_);
  std::uint64_t count = 0;
  for (const auto& [name, times] : times_ns_) count += times.size();
  return count;
}

WatchedHost::WatchedHost(std::string reader, instances::EventHub& events, Observations& seen)
    : services_(std::move(reader), 1, events, stats_), inner_(services_.host()), host_(*inner_), seen_(seen) {
  // All members that take a context are replaced; those that read a snapshot take none. A new service has to
  // be looked at here.
  static_assert(sizeof(perch_host) == 17 * 8);
  host_.context = this;
  host_.log = [](void* context, std::int32_t level, const char* text, std::size_t size) noexcept {
    WatchedHost& watched = self(context);
    if (text == nullptr)
      return watched.inner_->log(watched.inner_->context, level, text, size);  // not allowed
    watched.seen_.add_line(level, name_of({text, size}));
  };
  host_.publish = [](void* context, perch_string topic, perch_string json) noexcept {
    return self(context).publish(topic, json);
  };
  host_.counter_add = [](void* context, perch_string name, double amount) noexcept {
    WatchedHost& watched = self(context);
    watched.note_metric(name);
    watched.inner_->counter_add(watched.inner_->context, name, amount);
  };
  host_.gauge_set = [](void* context, perch_string name, double value) noexcept {
    WatchedHost& watched = self(context);
    watched.note_metric(name);
    watched.inner_->gauge_set(watched.inner_->context, name, value);
  };
  host_.histogram_record = [](void* context, perch_string name, double value) noexcept {
    WatchedHost& watched = self(context);
    watched.note_metric(name);
    watched.inner_->histogram_record(watched.inner_->context, name, value);
  };
  host_.wake_every = [](void* context, std::uint64_t interval_ns) noexcept {
    WatchedHost& watched = self(context);
    watched.inner_->wake_every(watched.inner_->context, interval_ns);
  };
}

perch_result WatchedHost::publish(perch_string topic, perch_string json) {
  const std::string why = why_refused(json);
  const perch_result result = inner_->publish(inner_->context, topic, json);
  if (result != PERCH_OK) {
    seen_.add_refusal(why.empty() ? "too many within a second" : why);
    return result;
  }
  seen_.add_publication(name_of(topic), json.size);
  const std::lock_guard lock(mutex_);
  if (publications_.size() < publications_kept_max) publications_.push_back({text_of(topic), text_of(json)});
  return result;
}

void WatchedHost::note_metric(perch_string name) { seen_.add_metric(name_of(name)); }

std::vector<WatchedHost::Publication> WatchedHost::take_publications() {
  const std::lock_guard lock(mutex_);
  return std::exchange(publications_, {});
}

}  // namespace perch::check
