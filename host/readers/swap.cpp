// Swapping a reader's generation, and what follows: probation, accept, rollback.
#include <algorithm>
#include <utility>

#include "base/text.hpp"
#include "base/units.hpp"
#include "readers/lifecycle.hpp"

namespace perch::readers {
namespace {

// A callback that has run for less is not suspected to hang, however short the probation.
constexpr auto callback_min = std::chrono::milliseconds(100);

// How long a generation that is on its way out, and that nobody needs any more, is waited for.
constexpr auto end_wait = std::chrono::seconds(1);

constexpr const char* on_request = "rolled back on request";

Result<void> may_change(const Reader& reader) {
  const std::string& name = reader.spec.name;
  if (reader.probation) {
    return fail(ErrorKind::refused, "reader " + name + " is in probation; first `perch accept " + name +
                                        "` or `perch rollback " + name + "`");
  }
  if (reader.state() == ReaderState::disabled) {
    return fail(ErrorKind::refused, "reader " + name + " is disabled; `perch enable " + name +
                                        "` starts it from its file as it is now");
  }
  return {};
}

NextGeneration next_of(const Reader& reader, const SwapOptions& options) {
  const std::filesystem::path& from = options.file.empty() ? reader.file : options.file;
  return {
      "swap", "reader.swapped", from, from, reader.spec.config, options.without_state, options.without_trial};
}

/// What is said of a rollback to whoever waits for the swap. `failed`: the version that went; `fault`: what
/// it did; empty: somebody asked for it.
std::string rollback_message(const Reader& reader, const SwapReport& report, const std::string& failed,
                             const std::string& fault) {
  const std::string runs_again = "reader " + reader.spec.name + " runs " + reader.plugin_version +
                                 " again, from version " + std::to_string(report.at_version) + " on";
  if (fault.empty()) return runs_again + ": " + on_request;
  return runs_again + "; " + failed + " failed: " + fault;
}

}  // namespace

void Lifecycle::swap(const std::string& name, const SwapOptions& options, const Done<SwapReport>& done) {
  if (!options.dry_run) {
    if (const auto begun = begin_swap(name, options, done); !begun) done(fail(begun.error()));
    return;
  }
  const auto found = find(name);
  if (!found) return done(fail(found.error()));
  Reader& reader = **found;
  done(rehearse(reader, next_of(reader, options)));
}

Result<void> Lifecycle::begin_swap(const std::string& name, const SwapOptions& options,
                                   Done<SwapReport> done) {
  const auto found = find(name);
  if (!found) return fail(found.error());
  Reader& reader = **found;
  return change(reader, next_of(reader, options), options.probation, std::move(done));
}

void Lifecycle::configure(const std::string& name, std::string config,
                          std::optional<std::chrono::nanoseconds> probation, const Done<SwapReport>& done) {
  const auto found = find(name);
  if (!found) return done(fail(found.error()));
  Reader& reader = **found;
  // The file may have changed, or be gone; the generation's own copy is what runs.
  const auto& plugin = reader.generation.plugin;
  const std::filesystem::path code = plugin ? plugin->copy() : reader.file;
  if (const auto changed = change(
          reader, {"configure", "reader.configured", code, reader.file, std::move(config), false, true},
          probation, done);
      !changed) {
    done(fail(changed.error()));
  }
}

/// An error before the hand-over is returned, and `done` not called.
Result<void> Lifecycle::change(Reader& reader, const NextGeneration& next,
                               std::optional<std::chrono::nanoseconds> probation, Done<SwapReport> done) {
  const std::string& name = reader.spec.name;
  if (auto may = may_change(reader); !may) return may;
  instances::StepTimer timer = events_.timer_of(reader, std::chrono::steady_clock::now());
  SwapReport report;
  report.reader = name;
  report.from_version = reader.plugin_version;
  const ReaderState before = reader.state();
  reader.become(ReaderState::swapping);
  publish_status();
  auto old = hand_over_.replace(reader, next, report, timer);
  if (!old) {
    reader.become(before);
    const Error error = of_reader(name, old.error());
    reader.set_error(std::string(next.verb) + ": " + short_text(error));
    events_.publish("reader.refused", name, reader.generation_number, reader.last_error, next.from);
    publish_status();
    return fail(error);
  }
  report.to_version = reader.plugin_version;
  report.generation = reader.generation_number;
  report.steps = timer.take();
  reader.last_error.clear();
  reader.restart_tracker.forget();
  reader.checkpoint.drop();
  events_.publish(next.event, reader, "");
  // Nothing to go back to: a reader that did not run, or that was given up, has no probation.
  const bool can_go_back = old->instance && !next.without_state;
  const auto time = can_go_back ? probation.value_or(spec_.probation) : std::chrono::nanoseconds(0);
  begin_probation(reader, std::move(*old), next, time, std::move(report), std::move(done));
  return {};
}

// ---- Dry run

Result<SwapReport> Lifecycle::rehearse(Reader& reader, const NextGeneration& next) {
  if (auto may = may_change(reader); !may) return fail(may.error());
  instances::StepTimer timer = events_.timer_of(reader, std::chrono::steady_clock::now());
  SwapReport report;
  report.reader = reader.spec.name;
  report.from_version = reader.plugin_version;
  report.dry_run = true;
  const auto rehearsed = hand_over_.rehearse(reader, next, report, timer);
  publish_status();
  if (!rehearsed) return fail(of_reader(reader.spec.name, rehearsed.error()));
  report.steps = timer.take();
  return report;
}

// ---- Probation

/// Of no time: the new generation is accepted at once.
void Lifecycle::begin_probation(Reader& reader, Generation old, const NextGeneration& next,
                                std::chrono::nanoseconds time, SwapReport report, Done<SwapReport> done) {
  const SteadyTime now = std::chrono::steady_clock::now();
  reader.probation = Probation{std::move(old),
                               std::exchange(reader.spec.config, next.config),
                               now + time,
                               std::move(report),
                               now,
                               next.without_state ? end_wait : spec_.callback_deadline,
                               std::move(done)};
  reader.become(ReaderState::probation);
  if (time.count() <= 0) {
    finish_probation(reader);
  } else {
    publish_status();
  }
}

/// Its time is over: accepted, unless the new generation has been in one callback for the better part of it.
/// That is one that hangs, or is too slow to be told from it.
void Lifecycle::end_probation(Reader& reader) {
  const Probation& probation = *reader.probation;
  const auto limit = std::max<std::chrono::nanoseconds>((probation.ends - probation.began) / 2, callback_min);
  const auto running = reader.generation.instance->stats()->callback.running_for();
  if (running <= limit) return finish_probation(reader);
  bring_back_old(reader, "did not finish its step within the probation: it has been in on_commit for " +
                             format_duration(running));
}

/// Accepts: the old generation goes for good.
void Lifecycle::finish_probation(Reader& reader) {
  Probation probation = std::move(*reader.probation);
  reader.probation.reset();
  reader.become(ReaderState::running);
  instances::StepTimer timer = events_.timer_of(reader, probation.began);
  if (probation.ends > probation.began) timer.done("probation");
  probation.report.left = retired_.retire(std::move(probation.old), reader.spec.name, probation.end_wait);
  timer.done(probation.report.left.empty() ? "close the old generation"
                                           : "close the old generation: " + probation.report.left);
  events_.publish("reader.accepted", reader, probation.report.left);
  publish_status();
  for (instances::SwapStep& step : timer.take()) probation.report.steps.push_back(std::move(step));
  probation.done(std::move(probation.report));
}

/// Undoes a swap within its probation: the new generation goes, the old one resumes where it was suspended.
/// `fault`: what the new one did; empty: somebody asked for it.
void Lifecycle::bring_back_old(Reader& reader, const std::string& fault) {
  Probation probation = std::move(*reader.probation);
  reader.probation.reset();
  instances::StepTimer timer = events_.timer_of(reader, probation.began);
  timer.done("probation");
  const std::string failed =
      reader.plugin_version + (reader.spec.config == probation.old_config ? "" : " with its new config");
  const std::string left = retired_.retire(std::exchange(reader.generation, {}), reader.spec.name, end_wait);
  timer.done(left.empty() ? "close the new generation" : "close the new generation: " + left);
  reader.adopt(std::move(probation.old));
  reader.spec.config = std::move(probation.old_config);
  reader.become(ReaderState::running);
  const std::string message = rollback_message(reader, probation.report, failed, fault);
  reader.set_error(fault.empty() ? message : failed + " was rolled back: " + fault);
  if (auto resumed = reader.generation.instance->resume(spec_.callback_deadline); !resumed) {
    handle_fault(reader, resumed.error());
  } else {
    timer.done("resume the old generation at version " + std::to_string(probation.report.at_version));
  }
  events_.publish("reader.rolled_back", reader, fault.empty() ? on_request : fault);
  publish_status();
  std::vector<std::string> details;
  if (!left.empty()) details.push_back(left);
  probation.done(fail(ErrorKind::rolled_back, message, std::move(details)));
}

void Lifecycle::accept(const std::string& name, const Done<instances::ReaderStatus>& done) {
  const auto found = find(name);
  if (!found) return done(fail(found.error()));
  Reader& reader = **found;
  if (!reader.probation) return done(fail(ErrorKind::refused, "reader " + name + " is not in probation"));
  finish_probation(reader);
  done(publisher_.status_of(reader));
}

void Lifecycle::rollback(const std::string& name, const Done<instances::ReaderStatus>& done) {
  const auto found = find(name);
  if (!found) return done(fail(found.error()));
  Reader& reader = **found;
  if (!reader.probation) {
    return done(
        fail(ErrorKind::refused, "reader " + name + " is not in probation: there is nothing to go back to"));
  }
  bring_back_old(reader, "");
  done(publisher_.status_of(reader));
}

}  // namespace perch::readers
