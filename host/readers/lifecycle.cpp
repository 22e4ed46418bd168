#include "readers/lifecycle.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string_view>

#include "base/assert.hpp"
#include "base/log.hpp"
#include "base/nearest_name.hpp"
#include "base/text.hpp"
#include "base/units.hpp"
#include "instances/reader_instance.hpp"
#include "instances/trial.hpp"
#include "instances/worker_instance.hpp"
#include "plugin/config_schema.hpp"

namespace perch::readers {
namespace {

Result<void> check_name(const std::string& name) {
  const bool is_good =
      !name.empty() && name.size() <= 64 &&
      std::all_of(name.begin(), name.end(), [](char c) { return c > ' ' && c < 0x7f && c != '/'; });
  if (is_good) return {};
  return fail(ErrorKind::usage, "a reader's name has 1 to 64 printable ASCII characters, no space and no /");
}

bool is_bad_news(std::string_view kind) {
  return kind == "reader.failed" || kind == "reader.quarantined" || kind == "reader.rolled_back" ||
         kind == "reader.refused" || kind == "reader.crashed" || kind == "host.degraded";
}

}  // namespace

const char* to_string(ReaderState state) noexcept {
  switch (state) {
    case ReaderState::running:
      return "running";
    case ReaderState::swapping:
      return "swapping";
    case ReaderState::probation:
      return "probation";
    case ReaderState::failed:
      return "failed";
    case ReaderState::restarting:
      return "restarting";
    case ReaderState::quarantined:
      return "quarantined";
    case ReaderState::disabled:
      return "disabled";
  }
  return "";
}

void Reader::set_error(std::string text) {
  last_error = std::move(text);
  last_error_ns = unix_now_ns();
}

Lifecycle::Lifecycle(const ReadersSpec& spec, instances::HostParts host, DisabledReaders disabled,
                     StatusBoard& board)
    : spec_(spec),
      host_(std::move(host)),
      disabled_(std::move(disabled)),
      blamed_(BlamedReaders::read(spec.blame_file)),
      board_(board),
      retired_(spec.callback_deadline) {}

Lifecycle::~Lifecycle() { PERCH_ASSERT(readers_.empty(), "the lifecycle ends after its readers"); }

// ---- Loading

/// What runs in a process of its own cannot harm the host anyway.
bool Lifecycle::has_trial(const InstanceSpec& spec) const {
  return has_settled_ && spec_.trial.steps > 0 && !spec_.workers.program.empty() &&
         host_.processes != nullptr && isolation_of(spec) == Isolation::thread;
}

Result<Generation> Lifecycle::load_generation(plugin::PluginFile& file, const InstanceSpec& spec,
                                              const std::optional<Trial>& trial,
                                              instances::StepTimer& timer) {
  if (isolation_of(spec) == Isolation::process && spec_.workers.program.empty())
    return fail(ErrorKind::refused,
                "this host has no perch-worker beside it: readers cannot run in processes");
  const std::uint64_t number = ++generations_;
  auto copy = file.copy_to(spec_.private_folder, number);
  if (!copy) return fail(copy.error());
  timer.done("copy");
  if (trial) {
    std::shared_ptr<plugin::PluginLibrary> plugin;
    if (auto made =
            plugin::PluginLibrary::leave_to_workers(file, *copy, number, plugin::CopyOwner::somebody_else);
        !made) {
      return fail(made.error());
    } else {
      plugin = std::move(*made);
    }
    const auto tried = try_out(host_, spec_.workers, spec_.trial, plugin, spec.name, spec.config,
                               trial->state, spec_.callback_deadline);
    if (!tried) {
      std::error_code ignored;
      std::filesystem::remove(*copy, ignored);
      return fail(tried.error());
    }
    timer.done("trial: " + *tried);
  }
  if (isolation_of(spec) == Isolation::process) {
    auto left =
        plugin::PluginLibrary::leave_to_workers(file, std::move(*copy), number, plugin::CopyOwner::library);
    if (!left) return fail(left.error());
    return Generation{std::move(*left), nullptr};
  }
  auto library = plugin::PluginLibrary::load(file, std::move(*copy), number);
  if (!library) return fail(library.error());
  timer.done("load");
  return Generation{std::move(*library), nullptr};
}

/// On failure the generation must be retired, or its instance ended.
Result<void> Lifecycle::create_instance(Generation& generation, const InstanceSpec& spec) {
  if (isolation_of(spec) == Isolation::process) {
    generation.instance = std::make_shared<instances::WorkerInstance>(
        host_, spec_.workers, generation.plugin,
        instances::WorkerInstance::Spec{spec.name, spec.config, spec.spin, false}, spec_.callback_deadline);
  } else {
    auto instance =
        std::make_shared<instances::ReaderInstance>(host_, generation.plugin, spec.name, spec.config);
    if (spec.spin) instance->spin_for_commits();
    generation.instance = std::move(instance);
  }
  return generation.instance->create(spec_.callback_deadline);
}

/// A new instance in the library that the reader has, from its checkpoint, else from version 0. On failure
/// nothing of it runs; the reader has lost its library when it hangs in there.
Result<void> Lifecycle::run_again(Reader& reader) {
  const auto from = usable_checkpoint(reader, reader.generation.plugin->manifest());
  auto running = create_instance(reader.generation, reader.spec);
  if (running) running = reader.generation.instance->begin(from, spec_.callback_deadline);
  if (!running) {
    retired_.end_instance(reader.generation, reader.spec.name);
    return running;
  }
  reader.state = ReaderState::running;
  return {};
}

void Lifecycle::adopt(Reader& reader, Generation generation) {
  reader.generation = std::move(generation);
  reader.plugin_version = reader.generation.plugin->manifest().version;
  reader.generation_number = reader.generation.plugin->generation();
  reader.file = reader.generation.plugin->source();
}

Reader& Lifecycle::add(const InstanceSpec& spec, const std::filesystem::path& file) {
  unloaded_.erase(spec.name);
  return readers_.insert_or_assign(spec.name, Reader(spec, file, spec_.restart)).first->second;
}

Result<void> Lifecycle::keep_running(plugin::PluginFile file, InstanceSpec spec) {
  if (disabled_.contains(spec.name)) {
    Reader& reader = add(spec, file.path());
    reader.plugin_version = file.manifest().version;
    reader.state = ReaderState::disabled;
    spdlog::info("reader {} is disabled: it starts with `perch enable {}`", spec.name, spec.name);
    publish_status();
    return {};
  }
  if (const auto fits = check_config(file.manifest(), spec.config); !fits) {
    Reader& reader = add(spec, file.path());
    reader.plugin_version = file.manifest().version;
    handle_fault(reader, fits.error());
    publish_status();
    return {};
  }
  if (const std::string blame = blamed_.blame(spec.name, spec.plugin, file.path()); !blame.empty()) {
    Reader& reader = add(spec, file.path());
    reader.plugin_version = file.manifest().version;
    reader.state = ReaderState::quarantined;
    reader.set_error("the last host died of it: " + blame + "; `perch enable " + spec.name +
                     "` starts it all the same");
    publish_event("reader.quarantined", spec.name, 0, reader.last_error, reader.file);
    publish_status();
    return {};
  }
  blamed_.forgive(spec.name, spec.plugin);  // its file has changed
  instances::StepTimer timer;
  std::optional<Trial> trial;
  if (has_trial(spec)) trial.emplace(Trial{spec, std::nullopt});
  auto generation = load_generation(file, spec, trial, timer);
  if (!generation) return fail(generation.error());
  Reader& reader = add(spec, file.path());
  adopt(reader, std::move(*generation));
  if (auto running = run_again(reader); !running) {
    handle_fault(reader, running.error());
  } else {
    publish_event("reader.loaded", spec.name, reader.generation_number, "", reader.file);
  }
  publish_status();
  return {};
}

void Lifecycle::load(const std::filesystem::path& file, std::string name, std::string config,
                     const Done<instances::ReaderStatus>& done, bool without_trial) {
  if (config.empty()) config = "{}";
  auto opened = plugin::PluginFile::open_trusted(file, spec_.folder);
  if (!opened) return done(fail(opened.error()));
  if (name.empty()) name = opened->manifest().id;
  if (auto checked = check_name(name); !checked) return done(fail(checked.error()));
  if (readers_.contains(name)) {
    return done(fail(ErrorKind::refused, "there is a reader " + name +
                                             " already; replace it with `perch swap " + name +
                                             "`, or give the new one another name"));
  }
  if (auto fits = check_compatible(opened->manifest(), host_.catalog); !fits) return done(fail(fits.error()));
  if (auto fits = check_config(opened->manifest(), config); !fits) return done(fail(fits.error()));
  // Whoever loads it by name wants it to run, also after the host's next start.
  if (auto enabled = disabled_.remove(name); !enabled) return done(fail(enabled.error()));
  blamed_.forgive(name, opened->manifest().id);
  instances::StepTimer timer;
  const InstanceSpec spec{name, opened->manifest().id, std::move(config)};
  std::optional<Trial> trial;
  if (!without_trial && has_trial(spec)) trial.emplace(Trial{spec, std::nullopt});
  auto generation = load_generation(*opened, spec, trial, timer);
  if (!generation) return done(fail(of_reader(name, generation.error())));

  Reader& reader = add(spec, file);
  adopt(reader, std::move(*generation));
  if (auto running = run_again(reader); !running) {
    retired_.retire(std::move(reader.generation), name);
    readers_.erase(name);
    publish_event("reader.refused", name, 0, short_text(running.error()), file);
    publish_status();
    return done(fail(of_reader(name, running.error())));
  }
  publish_event("reader.loaded", name, reader.generation_number, "", reader.file);
  publish_status();
  done(status_of(reader));
}

// ---- Taking away

/// Ends what runs of it, a probation included. Returns what is left behind, in words; "": nothing.
std::string Lifecycle::end_generations(Reader& reader, const char* why) {
  const std::string& name = reader.spec.name;
  RetiredGenerations::request_end(reader.generation);
  std::string left;
  if (reader.probation) {
    RetiredGenerations::request_end(reader.probation->old);
    left = retired_.retire(std::move(reader.probation->old), name);
    reader.probation->done(
        fail(ErrorKind::refused, "reader " + name + " was " + why + " within its probation"));
    reader.probation.reset();
  }
  const std::string left_of_current = retired_.retire(std::exchange(reader.generation, {}), name);
  reader.checkpoint.reset();
  return left_of_current.empty() ? left : left_of_current;
}

void Lifecycle::unload(const std::string& name, const Done<std::string>& done) {
  const auto found = find(name);
  if (!found) return done(fail(found.error()));
  if (auto forgotten = disabled_.remove(name); !forgotten) return done(fail(forgotten.error()));
  Reader& reader = **found;
  const std::string left = end_generations(reader, "unloaded");
  publish_event("reader.unloaded", name, reader.generation_number, left, reader.file);
  readers_.erase(name);
  unloaded_.insert(name);
  publish_status();
  done(left);
}

void Lifecycle::file_is_gone(const std::string& name) {
  const auto found = readers_.find(name);
  if (found == readers_.end()) return;
  Reader& reader = found->second;
  const std::string left = end_generations(reader, "unloaded");
  publish_event("reader.unloaded", name, reader.generation_number,
                left.empty() ? "its file is gone" : "its file is gone; " + left, reader.file);
  readers_.erase(found);
  publish_status();
}

void Lifecycle::disable(const std::string& name, const Done<instances::ReaderStatus>& done) {
  const auto found = find(name);
  if (!found) return done(fail(found.error()));
  Reader& reader = **found;
  if (reader.state == ReaderState::disabled) return done(status_of(reader));
  if (auto added = disabled_.add(name); !added) return done(fail(added.error()));
  const std::string left = end_generations(reader, "disabled");
  reader.state = ReaderState::disabled;
  publish_event("reader.disabled", name, reader.generation_number, left, reader.file);
  publish_status();
  done(status_of(reader));
}

// ---- The end

bool Lifecycle::stop() {
  for (auto& [name, reader] : readers_) {
    RetiredGenerations::request_end(reader.generation);
    if (reader.probation) RetiredGenerations::request_end(reader.probation->old);
  }
  const auto until = std::chrono::steady_clock::now() + spec_.callback_deadline;  // for all of them together
  const auto left = [until] {
    return std::max(std::chrono::nanoseconds(until - std::chrono::steady_clock::now()),
                    std::chrono::nanoseconds(0));
  };
  for (auto& [name, reader] : readers_) {
    retired_.retire(std::move(reader.generation), name, left());
    if (!reader.probation) continue;
    retired_.retire(std::move(reader.probation->old), name, left());
    reader.probation->done(
        fail(ErrorKind::refused, "the host stopped within the probation of reader " + name));
  }
  readers_.clear();
  publish_status();
  retired_.tick();
  retired_.abandon_hung();
  return retired_.has_hung();
}

// ---- What others see

Result<Reader*> Lifecycle::find(const std::string& name) {
  const auto found = readers_.find(name);
  if (found != readers_.end()) return &found->second;
  std::vector<std::string> names;
  for (const auto& [known, reader] : readers_) names.push_back(known);
  const std::string nearest = nearest_name(name, names);
  if (unloaded_.contains(name)) {
    return fail(ErrorKind::not_found,
                "reader " + name + " was unloaded; `perch load FILE --name " + name + "` runs it again");
  }
  return fail(ErrorKind::not_found, "no reader " + name + " runs here" +
                                        (nearest.empty() ? "" : "; did you mean " + nearest + "?"));
}

void Lifecycle::note_error(const std::string& name, std::string message) {
  const auto found = readers_.find(name);
  if (found == readers_.end()) return;
  found->second.set_error(std::move(message));
  publish_status();
}

void Lifecycle::show_also(std::vector<instances::ReaderStatus> others) {
  others_ = std::move(others);
  publish_status();
}

instances::ReaderStatus Lifecycle::status_of(const Reader& reader) const {
  instances::ReaderStatus status;
  status.name = reader.spec.name;
  status.plugin = reader.spec.plugin;
  status.plugin_version = reader.plugin_version;
  status.state = to_string(reader.state);
  status.file = reader.file.string();
  status.generation = reader.generation_number;
  status.config = reader.spec.config;
  status.restarts = reader.restarts;
  status.last_error = reader.last_error;
  status.last_error_ns = reader.last_error_ns;
  status.pinned_libraries = retired_.notes(reader.spec.name);
  status.is_process = isolation_of(reader.spec) == Isolation::process;
  if (reader.generation.instance) status.pid = reader.generation.instance->process();
  if (reader.generation.instance) reader.generation.instance->stats()->copy_to(status);
  if (reader.checkpoint) status.checkpoint_version = reader.checkpoint->state.version;
  return status;
}

void Lifecycle::publish_status() {
  std::vector<StatusEntry> entries;
  std::vector<HolderEntry> holders = retired_.holders();
  for (const auto& [name, reader] : readers_) {
    const instances::Instance* const instance = reader.generation.instance.get();
    entries.push_back({status_of(reader), instance ? instance->stats() : nullptr});
    if (instance) {
      holders.push_back({name, reader.generation_number,
                         reader.state == ReaderState::swapping ? "swap under way" : "", instance->stats()});
    }
    if (reader.checkpoint)
      holders.push_back({name, reader.generation_number, "checkpoint", reader.checkpoint->noted_in});
    if (reader.probation && reader.probation->old.instance) {
      holders.push_back({name, reader.probation->old.plugin->generation(), "suspended for the probation",
                         reader.probation->old.instance->stats()});
    }
  }
  for (const instances::ReaderStatus& other : others_) {
    if (!readers_.contains(other.name)) entries.push_back({other, nullptr});
  }
  std::vector<std::string> degraded = retired_.degraded();
  for (const std::string& reason : degraded) {
    if (!degraded_.contains(reason)) publish_event("host.degraded", "", 0, reason, "");
  }
  degraded_ = {degraded.begin(), degraded.end()};
  board_.set(std::move(entries), std::move(holders), std::move(degraded));
}

void Lifecycle::publish_event(const char* kind, const std::string& reader, std::uint64_t generation,
                              const std::string& cause, const std::filesystem::path& file) const {
  PERCH_ASSERT(std::find(instances::event_kinds.begin(), instances::event_kinds.end(), kind) !=
                   instances::event_kinds.end(),
               "an event of a kind that nobody can ask for");
  nlohmann::json details = nlohmann::json::object();
  if (!cause.empty()) details["cause"] = cause;
  if (!file.empty()) details["file"] = file.string();
  instances::Event event;
  event.kind = kind;
  event.reader = reader;
  event.generation = generation;
  // A file's name may be any bytes.
  event.json = details.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  spdlog::log(is_bad_news(kind) ? spdlog::level::warn : spdlog::level::info, "{} {} {}", kind, reader,
              event.json);
  host_.events.publish(std::move(event));
}

}  // namespace perch::readers
