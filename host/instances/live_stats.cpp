#include "instances/live_stats.hpp"

#include <pthread.h>

#include <ctime>

#include "base/text.hpp"

namespace perch::instances {
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

void CpuClock::begin() noexcept {
  clockid_t clock = 0;
  if (pthread_getcpuclockid(pthread_self(), &clock) != 0) return;
  clock_.store(clock, std::memory_order_relaxed);
  running_.store(true, std::memory_order_release);
}

void CpuClock::end() noexcept {
  total_ns_.store(used_ns(), std::memory_order_relaxed);
  running_.store(false, std::memory_order_release);
}

std::int64_t CpuClock::used_ns() const noexcept {
  timespec used{};
  // The thread may end in between: its clock is then no clock any more, and the total is there.
  const bool is_known = running_.load(std::memory_order_acquire) &&
                        clock_gettime(clock_.load(std::memory_order_relaxed), &used) == 0;
  return is_known ? used.tv_sec * 1'000'000'000 + used.tv_nsec : total_ns_.load(std::memory_order_relaxed);
}

void LiveStats::report(ReaderStatus told, std::int64_t callback_began_ns) {
  // The interface's functions, as literals: a name is shown long after the message that had it.
  static constexpr const char* functions[] = {"create", "restore", "start",  "on_commit",
                                              "save",   "stop",    "destroy"};
  const char* running = nullptr;
  for (const char* const function : functions) {
    if (told.callback == function) running = function;
  }
  if (running != nullptr) {
    callback.begin(running, CallbackNote::Clock::time_point(std::chrono::nanoseconds(callback_began_ns)));
  } else {
    callback.end();
  }
  version.store(told.version, std::memory_order_relaxed);
  version_time_ns.store(told.version_time_ns, std::memory_order_relaxed);
  steps.store(told.steps, std::memory_order_relaxed);
  first_step_ns.store(told.first_step_ns, std::memory_order_relaxed);
  const std::lock_guard lock(mutex_);
  told_ = std::move(told);
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
  status.version_time_ns = version_time_ns.load(std::memory_order_relaxed);
  const char* const name = callback.name();
  status.callback = name != nullptr ? name : "";
  status.callback_for_ns = callback.running_for().count();
  status.cpu_ns = cpu.used_ns();
  status.refused_publications = refused_publications.load(std::memory_order_relaxed);
  status.metrics = metrics.values();
  const std::lock_guard lock(mutex_);
  if (!told_) return;
  status.publications = told_->publications;
  status.refused_publications = told_->refused_publications;
  status.callback_p50_ns = told_->callback_p50_ns;
  status.callback_p99_ns = told_->callback_p99_ns;
  status.callback_max_ns = told_->callback_max_ns;
  status.cpu_ns = told_->cpu_ns;
  status.metrics = told_->metrics;
}

}  // namespace perch::instances
