#include "instances/host_services.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/bounded_json.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "reading/snapshot_access.hpp"

namespace perch::instances {
namespace {

constexpr std::uint64_t wake_interval_max_ns = 86'400'000'000'000;  // a day

constexpr const char* null_text = "with a null pointer for a text that has a size";

bool is_null(perch_string text) { return text.data == nullptr && text.size > 0; }

std::string_view view(perch_string text) {
  return text.data != nullptr ? std::string_view(text.data, text.size) : std::string_view();
}

spdlog::level::level_enum to_spdlog(std::int32_t level) {
  switch (level) {
    case PERCH_LOG_DEBUG:
      return spdlog::level::debug;
    case PERCH_LOG_INFO:
      return spdlog::level::info;
    case PERCH_LOG_WARN:
      return spdlog::level::warn;
    default:
      return spdlog::level::err;
  }
}

/// Wherever readers run, what they do wrong is told in the log.
[[maybe_unused]] const bool breaches_are_logged = [] {
  reading::RuleBreaches::tell_to([](const std::string& line) { spdlog::error("{}", line); });
  return true;
}();

}  // namespace

HostServices::HostServices(std::string reader, std::uint64_t generation, EventHub& events,
                           std::shared_ptr<LiveStats> stats)
    : breaches_(reader),
      reader_(std::move(reader)),
      generation_(generation),
      stats_(std::move(stats)),
      events_(&events) {
  host_.struct_size = sizeof host_;
  host_.abi_version = PERCH_ABI_VERSION;
  host_.context = this;
  host_.log = [](void* context, std::int32_t level, const char* text, std::size_t size) noexcept {
    self(context).log(level, text, size);
  };
  host_.publish = [](void* context, perch_string topic, perch_string json) noexcept {
    return self(context).publish(topic, json);
  };
  host_.counter_add = [](void* context, perch_string name, double amount) noexcept {
    self(context).update_metric(MetricKind::counter, "counter_add", name, amount);
  };
  host_.gauge_set = [](void* context, perch_string name, double value) noexcept {
    self(context).update_metric(MetricKind::gauge, "gauge_set", name, value);
  };
  host_.histogram_record = [](void* context, perch_string name, double value) noexcept {
    self(context).update_metric(MetricKind::histogram, "histogram_record", name, value);
  };
  host_.wake_every = [](void* context, std::uint64_t interval_ns) noexcept {
    self(context).wake_every(interval_ns);
  };
  reading::fill_snapshot_functions(host_);
}

void HostServices::silence() {
  const std::lock_guard lock(mutex_);
  events_ = nullptr;
}

void HostServices::log(std::int32_t level, const char* text, std::size_t size) {
  if (is_null({text, size})) breaches_.report("log", null_text);
  if (text == nullptr) return;
  const std::string line = clean_text({text, size}, log_bytes_max);
  const auto now = RateLimit::Clock::now();
  const std::lock_guard lock(mutex_);
  if (events_ == nullptr || !log_limit_.allow(now)) return;
  if (now >= log_summary_due_) {
    constexpr auto summary_every = std::chrono::seconds(1);
    log_summary_due_ = now + summary_every;
    if (const std::uint64_t refused = log_limit_.take_refused(); refused > 0)
      spdlog::warn("reader {}: {} lines of a flood left out", reader_, refused);
  }
  spdlog::log(to_spdlog(level), "reader {}: {}", reader_, line);
}

perch_result HostServices::publish(perch_string topic, perch_string json) {
  if (is_null(topic) || is_null(json)) {
    breaches_.report("publish", null_text);
    return PERCH_FAILED;
  }
  if (json.size > publication_bytes_max) return refuse(Refusal::too_large);
  {
    const std::lock_guard lock(mutex_);
    if (events_ == nullptr) return PERCH_FAILED;
    if (!publish_limit_.allow(RateLimit::Clock::now())) return refuse_locked(Refusal::too_many);
  }
  if (json.data == nullptr || !is_bounded_json({json.data, json.size}, publication_depth_max))
    return refuse(Refusal::no_json);
  Event event;
  event.kind = "publication";
  event.reader = reader_;
  event.generation = generation_;
  event.version = version_.load(std::memory_order_relaxed);
  event.topic = clean_text(view(topic), topic_bytes_max);
  event.json.assign(json.data, json.size);
  // One line, for everyone who sends lines on: inside JSON, a raw line end can only be white space.
  std::replace_if(
      event.json.begin(), event.json.end(), [](char c) { return c == '\n' || c == '\r'; }, ' ');

  const std::lock_guard lock(mutex_);
  if (events_ == nullptr) return PERCH_FAILED;
  events_->publish(std::move(event));
  stats_->publications.fetch_add(1, std::memory_order_relaxed);
  return PERCH_OK;
}

perch_result HostServices::refuse(Refusal why) {
  const std::lock_guard lock(mutex_);
  return refuse_locked(why);
}

/// Told once for each cause, and counted: what a reader publishes may be wrong every time.
perch_result HostServices::refuse_locked(Refusal why) {
  stats_->refused_publications.fetch_add(1, std::memory_order_relaxed);
  if (events_ == nullptr || std::exchange(said_refused_[static_cast<std::size_t>(why)], true))
    return PERCH_FAILED;
  const char* const cause = why == Refusal::too_large  ? "it is over 256 KiB"
                            : why == Refusal::too_many ? "there are too many a second"
                                                       : "it is no JSON, or of more than 64 levels";
  spdlog::warn("reader {}: a publication was refused: {} (said once; perch readers --json counts them)",
               reader_, cause);
  return PERCH_FAILED;
}

void HostServices::wake_every(std::uint64_t interval_ns) {
  if (reader_thread_ != std::thread::id() && reader_thread_ != std::this_thread::get_id()) {
    return breaches_.report("wake_every", "on another thread than the reader's");
  }
  if (!wake_every_allowed_) return breaches_.report("wake_every", "outside create and start");
  wake_interval_ns_.store(std::min(interval_ns, wake_interval_max_ns), std::memory_order_relaxed);
}

void HostServices::update_metric(MetricKind kind, const char* function, perch_string name, double value) {
  if (is_null(name)) return breaches_.report(function, null_text);
  if (stats_->metrics.update(kind, view(name), value)) return;
  const std::lock_guard lock(mutex_);
  if (std::exchange(said_metric_refused_, true)) return;
  spdlog::warn("reader {}: metric \"{}\" is left out: over {} names, or the name of a metric of another kind",
               reader_, clean_text(view(name), Metrics::name_bytes_max), Metrics::names_max);
}

}  // namespace perch::instances
