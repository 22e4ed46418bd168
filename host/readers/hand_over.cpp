#include "readers/hand_over.hpp"

#include <utility>

#include "base/text.hpp"
#include "plugin/config_schema.hpp"

namespace perch::readers {
namespace {

/// For an old generation that does not answer.
Error with_advice(Error error, const std::string& reader) {
  if (error.kind == ErrorKind::timeout) {
    error.message += "; it goes on as it was. `perch swap " + reader +
                     " --without-state` gives it up, and starts the new one from the first row";
  }
  return error;
}

/// What whoever waits should know of two builds that look alike.
std::string remark_on_build(const Reader& reader, const std::string& next_config,
                            const plugin::PluginLibrary& next) {
  const auto& running = reader.generation.plugin;
  if (!running || next_config != reader.spec.config) return {};
  if (running->content_hash() == next.content_hash()) return "the file is byte for byte what runs already";
  if (reader.plugin_version == next.manifest().version)
    return "another build with the same version, " + reader.plugin_version;
  return {};
}

}  // namespace

// ---- Preparing

/// Everything that can be known before the new code is loaded.
Result<void> HandOver::check(const Reader& reader, const plugin::PluginFile& file,
                             const NextGeneration& wanted) const {
  const plugin::Manifest& next = file.manifest();
  if (next.id != reader.spec.plugin) {
    return fail(ErrorKind::refused, "reader " + reader.spec.name + " runs plugin " + reader.spec.plugin +
                                        ", but " + file.path().string() + " is plugin " + next.id);
  }
  if (auto fits = check_compatible(next, catalog_); !fits) return fits;
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

/// With the state as it is now, which the old one goes on from at once.
Result<std::optional<Trial>> HandOver::trial_of(const Reader& reader, const InstanceSpec& spec,
                                                const NextGeneration& next, const plugin::Manifest& manifest,
                                                instances::StepTimer& timer) const {
  std::optional<Trial> trial;
  if (next.without_trial || !loader_.has_trial(spec)) return trial;
  trial.emplace(Trial{reader.checkpoint.usable_by(manifest, reader.spec.name)});
  instances::Instance* const old = reader.generation.instance.get();
  if (old == nullptr || next.without_state) return trial;
  auto saved = old->suspend(spec_.callback_deadline);
  if (!saved) return fail(with_advice(saved.error(), reader.spec.name));
  if (auto resumed = old->resume(spec_.callback_deadline); !resumed) return fail(resumed.error());
  trial->state = std::move(*saved);
  timer.done("save for the trial");
  return trial;
}

std::string HandOver::remark_on(const Reader& reader, const NextGeneration& next,
                                const plugin::PluginLibrary& library) const {
  std::string remark = remark_on_build(reader, next.config, library);
  const bool leaves_folder = !spec_.folder.empty() && reader.file.parent_path() == spec_.folder &&
                             next.from.parent_path() != spec_.folder;
  if (leaves_folder) {
    remark += (remark.empty() ? "" : "; ") + reader.file.string() +
              " in the watched folder no longer stands for this reader: changing or removing it "
              "changes nothing";
  }
  return remark;
}

/// The next generation with its instance, beside the old one, of which nothing has been touched, and which
/// goes on meanwhile. A thread reader's has proved itself in a process of its own before its code is loaded.
Result<Generation> HandOver::prepare(const Reader& reader, const NextGeneration& next, SwapReport& report,
                                     instances::StepTimer& timer) {
  const bool is_own_copy = next.file != next.from;
  auto file = is_own_copy ? plugin::PluginFile::open(next.file)
                          : plugin::PluginFile::open_trusted(next.file, spec_.folder);
  if (!file) return fail(file.error());
  file->show_as(next.from);
  if (auto checked = check(reader, *file, next); !checked) return fail(checked.error());
  timer.done("read manifest");
  InstanceSpec spec = reader.spec;
  spec.config = next.config;
  auto trial = trial_of(reader, spec, next, file->manifest(), timer);
  if (!trial) return fail(trial.error());
  auto generation = loader_.load(*file, spec, *trial, timer);
  if (!generation) return generation;
  report.remark = remark_on(reader, next, *generation->plugin);
  if (auto made = loader_.create_instance(*generation, spec); !made)
    return fail(give_up(std::move(*generation), reader.spec.name, made.error()));
  timer.done("create");
  return generation;
}

/// For a next generation that failed. The error says what is left of it, too.
Error HandOver::give_up(Generation next, const std::string& reader, Error error) {
  const std::string left = retired_.retire(std::move(next), reader);
  if (!left.empty()) error.details.push_back(left);
  return error;
}

// ---- Taking over

Result<Generation> HandOver::replace(Reader& reader, const NextGeneration& next, SwapReport& report,
                                     instances::StepTimer& timer) {
  auto generation = prepare(reader, next, report, timer);
  if (!generation) return generation;
  const auto taken = next.without_state ? take_over_without_state(reader, *generation, timer)
                                        : take_over(reader, *generation, report, timer);
  if (!taken) return fail(give_up(std::move(*generation), reader.spec.name, taken.error()));
  Generation old = std::exchange(reader.generation, {});
  reader.adopt(std::move(*generation));
  return old;
}

/// The moment itself: the old one stops at the end of a step and saves, the new one starts exactly there.
/// One that does not run may have left a checkpoint.
Result<void> HandOver::take_over(const Reader& reader, const Generation& next, SwapReport& report,
                                 instances::StepTimer& timer) const {
  instances::Instance* const old = reader.generation.instance.get();
  std::optional<instances::SavedState> state =
      reader.checkpoint.usable_by(next.plugin->manifest(), reader.spec.name);
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
Result<void> HandOver::take_over_without_state(const Reader& reader, const Generation& next,
                                               instances::StepTimer& timer) const {
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

Result<void> HandOver::rehearse(const Reader& reader, const NextGeneration& next, SwapReport& report,
                                instances::StepTimer& timer) {
  auto generation = prepare(reader, next, report, timer);
  if (!generation) return fail(generation.error());
  report.to_version = generation->plugin->manifest().version;
  report.generation = generation->plugin->generation();
  Result<void> restored;
  if (reader.generation.instance && !next.without_state)
    restored = rehearse_restore(reader, *generation, report, timer);
  report.left = retired_.retire(std::move(*generation), reader.spec.name);
  timer.done("take the new generation away again");
  return restored;
}

Result<void> HandOver::rehearse_restore(const Reader& reader, const Generation& next, SwapReport& report,
                                        instances::StepTimer& timer) const {
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

}  // namespace perch::readers
