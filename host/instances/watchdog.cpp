#include "instances/watchdog.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/log.hpp"
#include "base/units.hpp"
#include "containment/crash_signals.hpp"
#include "containment/stack_sampler.hpp"

namespace perch::instances {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

constexpr nanoseconds look_every_max = milliseconds(250);
constexpr nanoseconds look_every_min = milliseconds(5);

}  // namespace

Watchdog::Watchdog(WatchdogSpec spec, EventHub& events, std::function<std::vector<PinHolder>()> pins,
                   std::function<std::vector<tree::RetainedVersion>()> retained,
                   std::function<void(const std::vector<PinnedVersion>&)> enforce)
    : spec_(spec),
      events_(events),
      pins_(std::move(pins)),
      retained_(std::move(retained)),
      enforce_(std::move(enforce)) {}

Watchdog::~Watchdog() { stop(); }

Result<void> Watchdog::start() {
  return thread_.start("watchdog", [this] { run(); });
}

void Watchdog::stop() {
  if (!thread_.is_joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    stopped_.notify_all();
  }
  thread_.join();
}

void Watchdog::watch(const std::string& reader, std::uint64_t generation,
                     const std::shared_ptr<LiveStats>& stats) {
  const std::lock_guard lock(mutex_);
  watched_.push_back({reader, generation, stats, 0, "", nanoseconds(0), nanoseconds(0)});
}

void Watchdog::run() {
  const nanoseconds look_every = std::clamp(spec_.callback_deadline / 4, look_every_min, look_every_max);
  const auto is_stopping = [this] { return stopping_; };
  std::chrono::steady_clock::time_point rarer{};
  std::unique_lock lock(mutex_);
  while (!stopped_.wait_for(lock, look_every, is_stopping)) {
    look_at_callbacks();
    lock.unlock();
    const auto now = std::chrono::steady_clock::now();
    if (now - rarer >= look_every_max) {
      rarer = now;
      look_at_versions();
      look_at_signals();
    }
    lock.lock();
  }
}

void Watchdog::look_at_callbacks() {
  std::erase_if(watched_, [](const Watched& watched) { return watched.stats.expired(); });
  for (Watched& watched : watched_) {
    if (const auto stats = watched.stats.lock()) look_at(watched, *stats);
  }
}

void Watchdog::look_at(Watched& watched, const LiveStats& stats) {
  const char* const name = stats.callback.name();
  const std::int64_t began_ns = stats.callback.began_ns();
  const bool is_reported = watched.reported_began_ns != 0;
  if (is_reported && (name == nullptr || began_ns != watched.reported_began_ns)) report_end(watched);
  const nanoseconds lasts = stats.callback.running_for();
  if (name == nullptr) return;
  watched.lasted = lasts;
  if (lasts < std::max(spec_.callback_deadline, watched.report_again)) return;
  watched.reported_began_ns = began_ns;
  watched.reported_name = name;
  watched.report_again = lasts * 2;
  std::vector<std::string> stack;
  if (const pid_t thread = stats.thread.load(std::memory_order_relaxed); thread != 0)
    stack = containment::sample_stack(thread);
  const std::string cause = std::string(name) + " has been running for " + format_duration(lasts) +
                            ", over its deadline of " + format_duration(spec_.callback_deadline);
  std::string text;
  for (const std::string& line : stack) text += "\n  at " + line;
  spdlog::warn("reader {} (generation {}): {}; its thread is{}", watched.reader, watched.generation, cause,
               text.empty() ? " not answering" : text);
  publish("reader.slow", watched.reader, watched.generation,
          nlohmann::json{{"cause", cause}, {"callback", name}, {"stack", stack}}.dump(
              -1, ' ', false, nlohmann::json::error_handler_t::replace));
}

void Watchdog::report_end(Watched& watched) {
  const std::string cause =
      watched.reported_name + " has ended, after at least " + format_duration(watched.lasted);
  spdlog::warn("reader {} (generation {}): {}", watched.reader, watched.generation, cause);
  publish("reader.slow_ended", watched.reader, watched.generation,
          nlohmann::json{{"cause", cause}, {"callback", watched.reported_name}}.dump());
  watched.reported_began_ns = 0;
  watched.report_again = nanoseconds(0);
}

void Watchdog::look_at_versions() {
  if (!retained_) return;
  std::vector<Retaining> still;
  const std::vector<PinnedVersion> versions = pinned_versions(retained_(), pins_());
  if (enforce_) enforce_(versions);
  for (const PinnedVersion& pinned : versions) {
    if (pinned.bytes < std::max<std::uint64_t>(spec_.retain_warning_bytes, 1)) continue;
    for (const PinHolder& holder : pinned.holders) {
      if (holder.held_for < spec_.callback_deadline || holder.what == "checkpoint") continue;
      const auto is_it = [&](const Retaining& each) {
        return each.reader == holder.reader && each.generation == holder.generation &&
               each.version == pinned.version;
      };
      still.push_back({holder.reader, holder.generation, pinned.version});
      if (std::any_of(retaining_.begin(), retaining_.end(), is_it)) continue;
      const std::string cause = "holds version " + std::to_string(pinned.version) + " for " +
                                format_duration(holder.held_for) + " (" + holder.what +
                                "): " + format_size(pinned.bytes) + " hang on it";
      spdlog::warn("reader {} (generation {}): {}", holder.reader, holder.generation, cause);
      publish("reader.retains", holder.reader, holder.generation,
              nlohmann::json{{"cause", cause}, {"version", pinned.version}, {"bytes", pinned.bytes}}.dump());
    }
  }
  retaining_ = std::move(still);
}

void Watchdog::look_at_signals() {
  const std::string changed = containment::restore_host_signals();
  if (changed.empty()) return;
  spdlog::error(
      "somebody took signals that the host needs ({}): they are the host's again; only code of a "
      "plugin, or of a library of its, can have done that",
      changed);
}

void Watchdog::publish(const char* kind, const std::string& reader, std::uint64_t generation,
                       std::string json) {
  Event event;
  event.kind = kind;
  event.reader = reader;
  event.generation = generation;
  event.json = std::move(json);
  events_.publish(std::move(event));
}

}  // namespace perch::instances
