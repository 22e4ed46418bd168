// Swapping a reader's generation, and what follows: probation, accept, rollback.
#include <algorithm>
#include <utility>

#include "base/units.hpp"
#include "readers/config_schema.hpp"
#include "readers/lifecycle.hpp"
#include "readers/text.hpp"

namespace perch::readers {
namespace {

// A callback that has run for less is not suspected to hang, however short the probation.
constexpr auto callback_min = std::chrono::milliseconds(100);

}  // namespace

/// Everything that can be known before the new code is loaded.
Result<void> Lifecycle::check_swap(const Reader& reader, const PluginFile& file,
                                   const std::string& config) const {
  const Manifest& next = file.manifest();
  if (next.id != reader.spec.plugin) {
    return fail(ErrorKind::refused, "reader " + reader.spec.name + " runs plugin " + reader.spec.plugin +
                                        ", but " + file.path().string() + " is plugin " + next.id);
  }
  if (auto fits = check_compatible(next, host_.catalog); !fits) return fits;
  if (auto fits = check_config(next, config); !fits) return fits;
  if (!reader.generation.instance) return {};  // no state to take over
  const std::uint32_t state = reader.generation.plugin->manifest().state_version;
  if (state < next.state_oldest || state > next.state_version) {
    return fail(ErrorKind::incompatible, "plugin " + next.id + " " + next.version +
                                             " restores state versions " + std::to_string(next.state_oldest) +
                                             " to " + std::to_string(next.state_version) + ", the running " +
                                             reader.plugin_version + " writes state version " +
                                             std::to_string(state));
  }
  return {};
}

void Lifecycle::swap(const std::string& name, const std::filesystem::path& file,
                     std::optional<std::chrono::nanoseconds> probation, const Done<SwapReport>& done) {
  if (const auto begun = begin_swap(name, file, probation, done); !begun) done(fail(begun.error()));
}

Result<void> Lifecycle::begin_swap(const std::string& name, const std::filesystem::path& file,
                                   std::optional<std::chrono::nanoseconds> probation, Done<SwapReport> done) {
  const auto found = find(name);
  if (!found) return fail(found.error());
  Reader& reader = **found;
  const std::filesystem::path& from = file.empty() ? reader.file : file;
  return change(reader, {"swap", "reader.swapped", from, from, reader.spec.config}, probation,
                std::move(done));
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
          reader, {"configure", "reader.configured", code, reader.file, std::move(config)}, probation, done);
      !changed) {
    done(fail(changed.error()));
  }
}

/// An error before the hand-over is returned, and `done` not called.
Result<void> Lifecycle::change(Reader& reader, const Next& next,
                               std::optional<std::chrono::nanoseconds> probation, Done<SwapReport> done) {
  const std::string& name = reader.spec.name;
  if (reader.probation) {
    return fail(ErrorKind::refused, "reader " + name + " is in probation; first `perch accept " + name +
                                        "` or `perch rollback " + name + "`");
  }
  StepTimer timer;
  SwapReport report;
  report.reader = name;
  report.from_version = reader.plugin_version;
  const ReaderState before = std::exchange(reader.state, ReaderState::swapping);
  publish_status();
  auto old = replace(reader, next, report, timer);
  if (!old) {
    reader.state = before;
    reader.last_error = std::string(next.verb) + ": " + full_text(old.error());
    publish_status();
    return fail(old.error());
  }
  report.to_version = reader.plugin_version;
  report.generation = reader.generation_number;
  report.steps = timer.take();
  reader.last_error.clear();
  reader.restart_tracker.forget();
  publish_event(next.event, name, reader.generation_number, "", reader.file);

  const SteadyTime now = std::chrono::steady_clock::now();
  // Nothing to go back to: a reader that did not run has no probation.
  const auto trial = old->instance ? probation.value_or(spec_.probation) : std::chrono::nanoseconds(0);
  reader.probation = Probation{
      std::move(*old), std::exchange(reader.spec.config, next.config), now + trial, std::move(report), now,
      std::move(done)};
  reader.state = ReaderState::probation;
  if (trial.count() <= 0) {
    finish_probation(reader);
  } else {
    publish_status();
  }
  return {};
}

/// Puts the next generation in the reader's place and returns the old one: suspended, or without an
/// instance when none ran. After an error everything is as it was.
Result<Generation> Lifecycle::replace(Reader& reader, const Next& next, SwapReport& report,
                                      StepTimer& timer) {
  auto file = PluginFile::open(next.file);
  if (!file) return fail(file.error());
  file->show_as(next.from);
  if (auto checked = check_swap(reader, *file, next.config); !checked) return fail(checked.error());
  timer.done("read manifest");
  auto generation = load_generation(*file, timer);
  if (!generation) return fail(generation.error());

  Result<void> handed = create_instance(*generation, {reader.spec.name, reader.spec.plugin, next.config});
  if (handed) {
    timer.done("create");
    handed = hand_over(reader, *generation, report, timer);
  }
  if (!handed) {
    const std::string left = retired_.retire(std::move(*generation), reader.spec.name);
    if (!left.empty()) handed.error().details.push_back(left);
    return fail(handed.error());
  }
  Generation old = std::exchange(reader.generation, {});
  adopt(reader, std::move(*generation));
  return old;
}

/// The moment itself: the old one stops at the end of a step and saves, the new one starts exactly there.
Result<void> Lifecycle::hand_over(Reader& reader, const Generation& next, SwapReport& report,
                                  StepTimer& timer) {
  ReaderInstance* const old = reader.generation.instance.get();
  std::optional<SavedState> state;
  if (old != nullptr) {
    auto saved = old->suspend(spec_.callback_deadline);
    if (!saved) return fail(saved.error());
    report.at_version = saved->version;
    state = std::move(*saved);
    timer.done("save as of version " + std::to_string(report.at_version));
  }
  auto begun = next.instance->begin(std::move(state), spec_.callback_deadline);
  if (begun) {
    timer.done(old != nullptr ? "hand over at version " + std::to_string(report.at_version) : "start");
    return {};
  }
  next.instance->request_end();
  if (old != nullptr) {
    if (auto resumed = old->resume(spec_.callback_deadline); !resumed) {
      begun.error().details.push_back("the old generation did not go on: " + resumed.error().message);
    }
  }
  return begun;
}

/// Its time is over: accepted, unless the new generation has been in one callback for the better part of it.
/// That is one that hangs, or is too slow to be told from it.
void Lifecycle::end_probation(Reader& reader) {
  const Probation& probation = *reader.probation;
  const auto limit = std::max<std::chrono::nanoseconds>((probation.ends - probation.began) / 2, callback_min);
  const auto running = reader.generation.instance->stats()->in_callback_for();
  if (running <= limit) return finish_probation(reader);
  bring_back_old(reader, "did not finish its step within the probation: it has been in on_commit for " +
                             format_duration(running));
}

/// Accepts: the old generation goes for good.
void Lifecycle::finish_probation(Reader& reader) {
  Probation probation = std::move(*reader.probation);
  reader.probation.reset();
  reader.state = ReaderState::running;
  const auto waited = std::chrono::steady_clock::now() - probation.began;
  StepTimer timer;
  const std::string left = retired_.retire(std::move(probation.old), reader.spec.name);
  timer.done(left.empty() ? "close the old generation" : "close the old generation: " + left);
  publish_event("reader.accepted", reader.spec.name, reader.generation_number, "", reader.file);
  publish_status();
  probation.report.steps.push_back({"accepted", std::chrono::nanoseconds(waited).count()});
  for (SwapStep& step : timer.take()) probation.report.steps.push_back(std::move(step));
  probation.done(std::move(probation.report));
}

/// Undoes a swap within its probation: the new generation goes, the old one resumes where it was suspended.
/// `fault`: what the new one did; empty: somebody asked for it.
void Lifecycle::bring_back_old(Reader& reader, const std::string& fault) {
  Probation probation = std::move(*reader.probation);
  reader.probation.reset();
  const std::string& name = reader.spec.name;
  const std::string failed_version =
      reader.plugin_version + (reader.spec.config == probation.old_config ? "" : " with its new config");
  const std::string left = retired_.retire(std::exchange(reader.generation, {}), name);
  adopt(reader, std::move(probation.old));
  reader.spec.config = std::move(probation.old_config);
  reader.state = ReaderState::running;
  const std::string runs_again = "reader " + name + " runs " + reader.plugin_version +
                                 " again, from version " + std::to_string(probation.report.at_version) +
                                 " on";
  const std::string on_request = "rolled back on request";
  const std::string message = fault.empty() ? runs_again + ": " + on_request
                                            : runs_again + "; " + failed_version + " failed: " + fault;
  reader.last_error = fault.empty() ? message : failed_version + " was rolled back: " + fault;
  publish_event("reader.rolled_back", name, reader.generation_number, fault.empty() ? on_request : fault,
                reader.file);
  if (auto resumed = reader.generation.instance->resume(spec_.callback_deadline); !resumed) {
    handle_fault(reader, resumed.error());
  }
  publish_status();
  std::vector<std::string> details;
  if (!left.empty()) details.push_back(left);
  probation.done(fail(ErrorKind::rolled_back, message, std::move(details)));
}

void Lifecycle::accept(const std::string& name, const Done<ReaderStatus>& done) {
  const auto found = find(name);
  if (!found) return done(fail(found.error()));
  Reader& reader = **found;
  if (!reader.probation) return done(fail(ErrorKind::refused, "reader " + name + " is not in probation"));
  finish_probation(reader);
  done(status_of(reader));
}

void Lifecycle::rollback(const std::string& name, const Done<ReaderStatus>& done) {
  const auto found = find(name);
  if (!found) return done(fail(found.error()));
  Reader& reader = **found;
  if (!reader.probation) {
    return done(
        fail(ErrorKind::refused, "reader " + name + " is not in probation: there is nothing to go back to"));
  }
  bring_back_old(reader, "");
  done(status_of(reader));
}

}  // namespace perch::readers
