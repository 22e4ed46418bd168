#include "readers/live_stats.hpp"

#include "readers/text.hpp"

namespace perch::readers {
namespace {

const char* to_string(MetricKind kind) {
  switch (kind) {
    case MetricKind::counter:
      return "counter";
    case MetricKind::gauge:
      return "gauge";
    case MetricKind::histogram:
      return "histogram";
  }
  return "";
}

}  // namespace

bool Metrics::update(MetricKind kind, std::string_view name, double value) {
  const std::lock_guard lock(mutex_);
  auto found = metrics_.find(name);
  if (found == metrics_.end()) {
    if (metrics_.size() >= names_max) return false;
    found = metrics_.try_emplace(clean_text(name, name_bytes_max), Metric{kind}).first;
  }
  Metric& metric = found->second;
  if (metric.kind != kind) return false;
  metric.value = kind == MetricKind::gauge ? value : metric.value + value;
  ++metric.count;
  return true;
}

std::map<std::string, MetricValue> Metrics::values() const {
  std::map<std::string, MetricValue> values;
  const std::lock_guard lock(mutex_);
  for (const auto& [name, metric] : metrics_) {
    const bool is_mean = metric.kind == MetricKind::histogram && metric.count > 0;
    values[name] = {to_string(metric.kind),
                    is_mean ? metric.value / static_cast<double>(metric.count) : metric.value, metric.count};
  }
  return values;
}

std::chrono::nanoseconds LiveStats::in_callback_for() const {
  const std::chrono::nanoseconds began(callback_began_ns.load(std::memory_order_relaxed));
  if (began.count() == 0) return began;
  return std::chrono::steady_clock::now().time_since_epoch() - began;
}

void LiveStats::copy_to(ReaderStatus& status) const {
  status.version = version.load(std::memory_order_relaxed);
  status.checkpoint_version = checkpoint.version();
  status.first_step_ns = first_step_ns.load(std::memory_order_relaxed);
  status.steps = steps.load(std::memory_order_relaxed);
  status.publications = publications.load(std::memory_order_relaxed);
  status.callback_p50_ns = callbacks.quantile_ns(0.5);
  status.callback_p99_ns = callbacks.quantile_ns(0.99);
  status.callback_max_ns = callbacks.max_ns();
  status.metrics = metrics.values();
}

}  // namespace perch::readers
