// Swapping a reader's generation, and what follows: probation, accept, rollback.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/log.hpp"
#include "base/text.hpp"
#include "base/units.hpp"
#include "plugin/config_schema.hpp"
#include "readers/lifecycle.hpp"

namespace perch::readers {
namespace {

// A callback that has run for less is not suspected to hang, however short the probation.
constexpr auto callback_min = std::chrono::milliseconds(100);

// How long a generation that is on its way out, and that nobody needs any more, is waited for.
constexpr auto end_wait = std::chrono::seconds(1);

/// What whoever waits should know of two builds that look alike.
std::string remark_on(const Reader& reader, const std::string& next_config,
                      const plugin::PluginLibrary& next) {
  const auto& running = reader.generation.plugin;
  if (!running || next_config != reader.spec.config) return {};
  if (running->content_hash() == next.content_hash()) return "the file is byte for byte what runs already";
  if (reader.plugin_version == next.manifest().version)
    return "another build with the same version, " + reader.plugin_version;
  return {};
}

/// For an old generation that does not answer.
Error with_advice(Error error, const std::string& reader) {
  if (error.kind == ErrorKind::timeout) {
    error.message += "; it goes on as it was. `perch swap " + reader +
                     " --without-state` gives it up, and starts the new one from the first row";
  }
  return error;
}

}  // namespace

/// Everything that can be known before the new code is loaded.
Result<void> Lifecycle::check_swap(const Reader& reader, const plugin::PluginFile& file,
                                   const Next& wanted) const {
  const plugin::Manifest& next = file.manifest();
  if (next.id != reader.spec.plugin) {
    return fail(ErrorKind::refused, "reader " + reader.spec.name + " runs plugin " + reader.spec.plugin +
                                        ", but " + file.path().string() + " is plugin " + next.id);
  }
  if (auto fits = check_compatible(next, host_.catalog); !fits) return fits;
  if (auto fits = check_config(next, wanted.config); !fits) return fits;
  if (!reader.generation.instance || wanted.without_state) return {};  // no state to take over
  const std::uint32_t state = reader.generation.plugin->manifest().state_version;
  if (state < next.state_oldest || state > next.state_version) {
    return fail(ErrorKind::incompatible,
                "plugin " + next.id + " " + next.version + " restores state versions " +
                    std::to_string(next.state_oldest) + " to " + std::to_string(next.state_version) +
                    ", the running " + reader.plugin_version + " writes state version " +
                    std::to_string(state) + "; `perch swap --without-state` starts it from the first row");
  }
  return {};
}

void Lifecycle::swap(const std::string& name, const SwapOptions& options, const Done<SwapReport>& done) {
  if (!options.dry_run) {
    if (const auto begun = begin_swap(name, options, done); !begun) done(fail(begun.error()));
    return;
  }
  const auto found = find(name);
  if (!found) return done(fail(found.error()));
  Reader& reader = **found;
  const std::filesystem::path& from = options.file.empty() ? reader.file : options.file;
  done(rehearse(reader,
                {"swap", "", from, from, reader.spec.config, options.without_state, options.without_trial}));
}

Result<void> Lifecycle::begin_swap(const std::string& name, const SwapOptions& options,
                                   Done<SwapReport> done) {
  const auto found = find(name);
  if (!found) return fail(found.error());
  Reader& reader = **found;
  const std::filesystem::path& from = options.file.empty() ? reader.file : options.file;
  return change(reader,
                {"swap", "reader.swapped", from, from, reader.spec.config, options.without_state,
                 options.without_trial},
                options.probation, std::move(done));
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

namespace {

Result<void> may_change(const Reader& reader) {
  const std::string& name = reader.spec.name;
  if (reader.probation) {
    return fail(ErrorKind::refused, "reader " + name + " is in probation; first `perch accept " + name +
                                        "` or `perch rollback " + name + "`");
  }
  if (reader.state == ReaderState::disabled) {
    return fail(ErrorKind::refused, "reader " + name + " is disabled; `perch enable " + name +
                                        "` starts it from its file as it is now");
  }
  return {};
}

}  // namespace

/// Whoever waits for a change sees its steps as they are done.
instances::StepTimer Lifecycle::timer_of(const Reader& reader, SteadyTime begin) const {
  return instances::StepTimer(begin, [this, &reader](const instances::SwapStep& step) {
    instances::Event event;
    event.kind = "reader.step";
    event.reader = reader.spec.name;
    event.generation = reader.generation_number;
    event.json = nlohmann::json{{"step", step.what}, {"took_ns", step.took_ns}}.dump();
    spdlog::debug("reader {}: {} ({})", reader.spec.name, step.what,
                  format_duration(std::chrono::nanoseconds(step.took_ns)));
    host_.events.publish(std::move(event));
  });
}

/// An error before the hand-over is returned, and `done` not called.
Result<void> Lifecycle::change(Reader& reader, const Next& next,
                               std::optional<std::chrono::nanoseconds> probation, Done<SwapReport> done) {
  const std::string& name = reader.spec.name;
  if (auto may = may_change(reader); !may) return may;
  instances::StepTimer timer = timer_of(reader, std::chrono::steady_clock::now());
  SwapReport report;
  report.reader = name;
  report.from_version = reader.plugin_version;
  const ReaderState before = std::exchange(reader.state, ReaderState::swapping);
  publish_status();
  auto old = replace(reader, next, report, timer);
  if (!old) {
    reader.state = before;
    const Error error = of_reader(name, old.error());
    reader.set_error(std::string(next.verb) + ": " + short_text(error));
    publish_event("reader.refused", name, reader.generation_number, reader.last_error, next.from);
    publish_status();
    return fail(error);
  }
  report.to_version = reader.plugin_version;
  report.generation = reader.generation_number;
  report.steps = timer.take();
  reader.last_error.clear();
  reader.restart_tracker.forget();
  reader.checkpoint.reset();
  publish_event(next.event, name, reader.generation_number, "", reader.file);

  const SteadyTime now = std::chrono::steady_clock::now();
  // Nothing to go back to: a reader that did not run, or that was given up, has no probation.
  const bool can_go_back = old->instance && !next.without_state;
  const auto trial = can_go_back ? probation.value_or(spec_.probation) : std::chrono::nanoseconds(0);
  reader.probation = Probation{std::move(*old),
                               std::exchange(reader.spec.config, next.config),
                               now + trial,
                               std::move(report),
                               now,
                               next.without_state ? end_wait : spec_.callback_deadline,
                               std::move(done)};
  reader.state = ReaderState::probation;
  if (trial.count() <= 0) {
    finish_probation(reader);
  } else {
    publish_status();
  }
  return {};
}

/// With the state as it is now, which the old one goes on from at once.
Result<std::optional<Lifecycle::Trial>> Lifecycle::trial_of(const Reader& reader, const InstanceSpec& spec,
                                                            const Next& next,
                                                            const plugin::Manifest& manifest,
                                                            instances::StepTimer& timer) {
  std::optional<Trial> trial;
  if (next.without_trial || !has_trial(spec)) return trial;
  trial.emplace(Trial{spec, usable_checkpoint(reader, manifest)});
  instances::Instance* const old = reader.generation.instance.get();
  if (old == nullptr || next.without_state) return trial;
  auto saved = old->suspend(spec_.callback_deadline);
  if (!saved) return fail(with_advice(saved.error(), reader.spec.name));
  if (auto resumed = old->resume(spec_.callback_deadline); !resumed) return fail(resumed.error());
  trial->state = std::move(*saved);
  timer.done("save for the trial");
  return trial;
}

/// The next generation with its instance, beside the old one, of which nothing has been touched, and which
/// goes on meanwhile. A thread reader's has proved itself in a process of its own before its code is loaded.
Result<Generation> Lifecycle::prepare(const Reader& reader, const Next& next, SwapReport& report,
                                      instances::StepTimer& timer) {
  const bool is_own_copy = next.file != next.from;
  auto file = is_own_copy ? plugin::PluginFile::open(next.file)
                          : plugin::PluginFile::open_trusted(next.file, spec_.folder);
  if (!file) return fail(file.error());
  file->show_as(next.from);
  if (auto checked = check_swap(reader, *file, next); !checked) return fail(checked.error());
  timer.done("read manifest");
  InstanceSpec spec = reader.spec;
  spec.config = next.config;
  auto trial = trial_of(reader, spec, next, file->manifest(), timer);
  if (!trial) return fail(trial.error());
  auto generation = load_generation(*file, spec, *trial, timer);
  if (!generation) return fail(generation.error());
  report.remark = remark_on(reader, next.config, *generation->plugin);
  const bool leaves_folder = !spec_.folder.empty() && reader.file.parent_path() == spec_.folder &&
                             next.from.parent_path() != spec_.folder;
  if (leaves_folder) {
    report.remark += (report.remark.empty() ? "" : "; ") + reader.file.string() +
                     " in the watched folder no longer stands for this reader: changing or removing it "
                     "changes nothing";
  }

  if (auto made = create_instance(*generation, spec); !made) {
    Error error = made.error();
    const std::string left = retired_.retire(std::move(*generation), reader.spec.name);
    if (!left.empty()) error.details.push_back(left);
    return fail(std::move(error));
  }
  timer.done("create");
  return generation;
}

/// Puts the next generation in the reader's place and returns the old one: suspended, or without an
/// instance when none ran. After an error everything is as it was.
Result<Generation> Lifecycle::replace(Reader& reader, const Next& next, SwapReport& report,
                                      instances::StepTimer& timer) {
  auto generation = prepare(reader, next, report, timer);
  if (!generation) return generation;
  const auto handed = next.without_state ? take_over_without_state(reader, *generation, timer)
                                         : hand_over(reader, *generation, report, timer);
  if (!handed) {
    Error error = handed.error();
    const std::string left = retired_.retire(std::move(*generation), reader.spec.name);
    if (!left.empty()) error.details.push_back(left);
    return fail(std::move(error));
  }
  Generation old = std::exchange(reader.generation, {});
  adopt(reader, std::move(*generation));
  return old;
}

/// The moment itself: the old one stops at the end of a step and saves, the new one starts exactly there.
/// One that does not run may have left a checkpoint.
Result<void> Lifecycle::hand_over(Reader& reader, const Generation& next, SwapReport& report,
                                  instances::StepTimer& timer) {
  instances::Instance* const old = reader.generation.instance.get();
  std::optional<instances::SavedState> state = usable_checkpoint(reader, next.plugin->manifest());
  if (old != nullptr) {
    auto saved = old->suspend(spec_.callback_deadline);
    if (!saved) return fail(with_advice(saved.error(), reader.spec.name));
    state = std::move(*saved);
    timer.done("save as of version " + std::to_string(state->version));
  }
  if (state) report.at_version = state->version;
  const bool has_state = state.has_value();
  auto begun = next.instance->begin(std::move(state), spec_.callback_deadline);
  if (begun) {
    timer.done(has_state ? "hand over at version " + std::to_string(report.at_version) : "start");
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

/// The old one is only kept from taking another step, since it may never answer.
Result<void> Lifecycle::take_over_without_state(Reader& reader, const Generation& next,
                                                instances::StepTimer& timer) {
  instances::Instance* const old = reader.generation.instance.get();
  if (old != nullptr) old->hold();
  auto begun = next.instance->begin(std::nullopt, spec_.callback_deadline);
  if (begun) {
    timer.done("start at version 0, without state");
    return {};
  }
  next.instance->request_end();
  if (old != nullptr) old->let_go();
  return begun;
}

// ---- Dry run

/// Everything that changes nothing: the old one goes on with its next step as soon as it has saved.
Result<SwapReport> Lifecycle::rehearse(Reader& reader, const Next& next) {
  if (auto may = may_change(reader); !may) return fail(may.error());
  instances::StepTimer timer = timer_of(reader, std::chrono::steady_clock::now());
  SwapReport report;
  report.reader = reader.spec.name;
  report.from_version = reader.plugin_version;
  report.dry_run = true;
  auto generation = prepare(reader, next, report, timer);
  if (!generation) return fail(of_reader(reader.spec.name, generation.error()));
  report.to_version = generation->plugin->manifest().version;
  report.generation = generation->plugin->generation();
  Result<void> restored;
  if (reader.generation.instance && !next.without_state)
    restored = rehearse_restore(reader, *generation, report, timer);
  report.left = retired_.retire(std::move(*generation), reader.spec.name);
  timer.done("take the new generation away again");
  publish_status();
  if (!restored) return fail(of_reader(reader.spec.name, restored.error()));
  report.steps = timer.take();
  return report;
}

Result<void> Lifecycle::rehearse_restore(Reader& reader, const Generation& next, SwapReport& report,
                                         instances::StepTimer& timer) {
  instances::Instance& old = *reader.generation.instance;
  auto saved = old.suspend(spec_.callback_deadline);
  if (!saved) return fail(with_advice(saved.error(), reader.spec.name));
  if (auto resumed = old.resume(spec_.callback_deadline); !resumed) return resumed;
  report.at_version = saved->version;
  timer.done("save as of version " + std::to_string(saved->version));
  if (auto restored = next.instance->rehearse(std::move(*saved), spec_.callback_deadline); !restored)
    return restored;
  timer.done("restore");
  return {};
}

// ---- Probation

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
  reader.state = ReaderState::running;
  instances::StepTimer timer = timer_of(reader, probation.began);
  const std::string& name = reader.spec.name;
  if (probation.ends > probation.began) timer.done("probation");
  probation.report.left = retired_.retire(std::move(probation.old), name, probation.end_wait);
  timer.done(probation.report.left.empty() ? "close the old generation"
                                           : "close the old generation: " + probation.report.left);
  publish_event("reader.accepted", name, reader.generation_number, probation.report.left, reader.file);
  publish_status();
  for (instances::SwapStep& step : timer.take()) probation.report.steps.push_back(std::move(step));
  probation.done(std::move(probation.report));
}

/// Undoes a swap within its probation: the new generation goes, the old one resumes where it was suspended.
/// `fault`: what the new one did; empty: somebody asked for it.
void Lifecycle::bring_back_old(Reader& reader, const std::string& fault) {
  Probation probation = std::move(*reader.probation);
  reader.probation.reset();
  instances::StepTimer timer = timer_of(reader, probation.began);
  timer.done("probation");
  const std::string& name = reader.spec.name;
  const std::string failed_version =
      reader.plugin_version + (reader.spec.config == probation.old_config ? "" : " with its new config");
  const std::string left = retired_.retire(std::exchange(reader.generation, {}), name, end_wait);
  timer.done(left.empty() ? "close the new generation" : "close the new generation: " + left);
  adopt(reader, std::move(probation.old));
  reader.spec.config = std::move(probation.old_config);
  reader.state = ReaderState::running;
  const std::string runs_again = "reader " + name + " runs " + reader.plugin_version +
                                 " again, from version " + std::to_string(probation.report.at_version) +
                                 " on";
  const std::string on_request = "rolled back on request";
  const std::string message = fault.empty() ? runs_again + ": " + on_request
                                            : runs_again + "; " + failed_version + " failed: " + fault;
  reader.set_error(fault.empty() ? message : failed_version + " was rolled back: " + fault);
  if (auto resumed = reader.generation.instance->resume(spec_.callback_deadline); !resumed) {
    handle_fault(reader, resumed.error());
  } else {
    timer.done("resume the old generation at version " + std::to_string(probation.report.at_version));
  }
  publish_event("reader.rolled_back", name, reader.generation_number, fault.empty() ? on_request : fault,
                reader.file);
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
  done(status_of(reader));
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
  done(status_of(reader));
}

}  // namespace perch::readers
