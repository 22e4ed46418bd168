#include "readers/lifecycle.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string_view>

#include "base/assert.hpp"
#include "base/log.hpp"
#include "base/nearest_name.hpp"
#include "base/units.hpp"
#include "readers/config_schema.hpp"
#include "readers/text.hpp"

namespace perch::readers {
namespace {

constexpr auto hung_look_again = std::chrono::milliseconds(200);

Result<void> check_name(const std::string& name) {
  const bool is_good =
      !name.empty() && name.size() <= 64 &&
      std::all_of(name.begin(), name.end(), [](char c) { return c > ' ' && c < 0x7f && c != '/'; });
  if (is_good) return {};
  return fail(ErrorKind::usage, "a reader's name has 1 to 64 printable ASCII characters, no space and no /");
}

bool is_bad_news(std::string_view kind) {
  return kind == "reader.failed" || kind == "reader.quarantined" || kind == "reader.rolled_back" ||
         kind == "reader.refused";
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
  }
  return "";
}

Lifecycle::Lifecycle(const ReadersSpec& spec, HostParts host, StatusBoard& board)
    : spec_(spec), host_(std::move(host)), board_(board), retired_(spec.callback_deadline) {}

Lifecycle::~Lifecycle() { PERCH_ASSERT(readers_.empty(), "the lifecycle ends after its readers"); }

// ---- Loading

Result<Generation> Lifecycle::load_generation(PluginFile& file, StepTimer& timer) {
  const std::uint64_t number = ++generations_;
  auto copy = file.copy_to(spec_.private_folder, number);
  if (!copy) return fail(copy.error());
  timer.done("copy");
  auto library = PluginLibrary::load(file, std::move(*copy), number);
  if (!library) return fail(library.error());
  timer.done("load");
  return Generation{std::move(*library), nullptr};
}

/// On failure the generation must be retired, or its instance ended.
Result<void> Lifecycle::create_instance(Generation& generation, const InstanceSpec& spec) {
  generation.instance = std::make_shared<ReaderInstance>(host_, generation.plugin, spec.name, spec.config);
  return generation.instance->create(spec_.callback_deadline);
}

/// A new instance in the library that the reader has, from version 0. On failure nothing of it runs; the
/// reader has lost its library when it hangs in there.
Result<void> Lifecycle::run_afresh(Reader& reader) {
  auto running = create_instance(reader.generation, reader.spec);
  if (running) running = reader.generation.instance->begin(std::nullopt, spec_.callback_deadline);
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

Result<void> Lifecycle::keep_running(PluginFile file, InstanceSpec spec) {
  if (const auto fits = check_config(file.manifest(), spec.config); !fits) {
    Reader& reader = add(spec, file.path());
    reader.plugin_version = file.manifest().version;
    handle_fault(reader, fits.error());
    publish_status();
    return {};
  }
  StepTimer timer;
  auto generation = load_generation(file, timer);
  if (!generation) return fail(generation.error());
  Reader& reader = add(spec, file.path());
  adopt(reader, std::move(*generation));
  if (auto running = run_afresh(reader); !running) {
    handle_fault(reader, running.error());
  } else {
    publish_event("reader.loaded", spec.name, reader.generation_number, "", reader.file);
  }
  publish_status();
  return {};
}

void Lifecycle::load(const std::filesystem::path& file, std::string name, std::string config,
                     const Done<ReaderStatus>& done) {
  if (config.empty()) config = "{}";
  auto opened = PluginFile::open(file);
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
  StepTimer timer;
  auto generation = load_generation(*opened, timer);
  if (!generation) return done(fail(generation.error()));

  Reader& reader = add({name, opened->manifest().id, std::move(config)}, file);
  adopt(reader, std::move(*generation));
  if (auto running = run_afresh(reader); !running) {
    retired_.retire(std::move(reader.generation), name);
    readers_.erase(name);
    return done(fail(running.error()));
  }
  publish_event("reader.loaded", name, reader.generation_number, "", reader.file);
  publish_status();
  done(status_of(reader));
}

void Lifecycle::unload(const std::string& name, const Done<void>& done) {
  const auto found = find(name);
  if (!found) return done(fail(found.error()));
  Reader& reader = **found;
  const std::uint64_t number = reader.generation_number;
  const std::filesystem::path file = reader.file;
  std::string left = retired_.retire(std::move(reader.generation), name);
  if (reader.probation) {
    const std::string left_of_old = retired_.retire(std::move(reader.probation->old), name);
    if (left.empty()) left = left_of_old;
    reader.probation->done(fail(ErrorKind::refused, "reader " + name + " was unloaded within its probation"));
  }
  readers_.erase(name);
  unloaded_.insert(name);
  publish_event("reader.unloaded", name, number, left, file);
  publish_status();
  done({});
}

// ---- Faults

void Lifecycle::tick(SteadyTime now) {
  retired_.tick();
  for (auto& [name, reader] : readers_) {
    if (reader.generation.instance) {
      if (const auto fault = reader.generation.instance->fault()) handle_fault(reader, *fault);
    }
    if (reader.probation && now >= reader.probation->ends) end_probation(reader);
    if (reader.state == ReaderState::restarting && now >= reader.restart_at) restart(reader);
  }
  publish_status();
}

std::optional<SteadyTime> Lifecycle::next_due() const {
  std::optional<SteadyTime> next;
  const auto consider = [&next](SteadyTime time) { next = next ? std::min(*next, time) : time; };
  for (const auto& [name, reader] : readers_) {
    if (reader.probation) consider(reader.probation->ends);
    if (reader.state == ReaderState::restarting) consider(reader.restart_at);
  }
  if (retired_.has_hung()) consider(std::chrono::steady_clock::now() + hung_look_again);
  return next;
}

/// The instance failed, or could not be made.
void Lifecycle::handle_fault(Reader& reader, const Error& cause) {
  if (reader.probation) return bring_back_old(reader, cause.message);
  const std::string& name = reader.spec.name;
  reader.last_error = full_text(cause);
  publish_event("reader.failed", name, reader.generation_number, reader.last_error, reader.file);
  retired_.end_instance(reader.generation, name);

  const SteadyTime now = std::chrono::steady_clock::now();
  const bool may_restart = cause.kind != ErrorKind::usage && reader.generation.plugin != nullptr;
  const auto delay = may_restart ? reader.restart_tracker.next_delay(now) : std::nullopt;
  if (delay) {
    reader.state = ReaderState::restarting;
    reader.restart_at = now + *delay;
    return;
  }
  reader.state = cause.kind == ErrorKind::usage ? ReaderState::failed : ReaderState::quarantined;
  retired_.retire(std::exchange(reader.generation, {}), name);
  if (reader.state == ReaderState::quarantined) {
    publish_event("reader.quarantined", name, reader.generation_number, cause.message, reader.file);
  }
}

void Lifecycle::restart(Reader& reader) {
  ++reader.restarts;
  if (auto running = run_afresh(reader); !running) return handle_fault(reader, running.error());
  publish_event("reader.restarted", reader.spec.name, reader.generation_number, reader.last_error,
                reader.file);
}

void Lifecycle::notice_catch_up() {
  for (auto& [name, reader] : readers_) {
    if (reader.generation.instance) reader.generation.instance->notice_catch_up();
  }
}

bool Lifecycle::stop() {
  for (auto& [name, reader] : readers_) {
    RetiredGenerations::request_end(reader.generation);
    if (reader.probation) RetiredGenerations::request_end(reader.probation->old);
  }
  for (auto& [name, reader] : readers_) {
    retired_.retire(std::move(reader.generation), name);
    if (!reader.probation) continue;
    retired_.retire(std::move(reader.probation->old), name);
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
  return fail(ErrorKind::not_found, "no reader " + name + " runs here" +
                                        (nearest.empty() ? "" : "; did you mean " + nearest + "?"));
}

void Lifecycle::note_error(const std::string& name, std::string message) {
  const auto found = readers_.find(name);
  if (found == readers_.end()) return;
  found->second.last_error = std::move(message);
  publish_status();
}

void Lifecycle::show_also(std::vector<ReaderStatus> others) {
  others_ = std::move(others);
  publish_status();
}

ReaderStatus Lifecycle::status_of(const Reader& reader) const {
  ReaderStatus status;
  status.name = reader.spec.name;
  status.plugin = reader.spec.plugin;
  status.plugin_version = reader.plugin_version;
  status.state = to_string(reader.state);
  status.file = reader.file.string();
  status.generation = reader.generation_number;
  status.config = reader.spec.config;
  status.restarts = reader.restarts;
  status.last_error = reader.last_error;
  status.pinned_libraries = retired_.notes(reader.spec.name);
  if (reader.generation.instance) reader.generation.instance->stats()->copy_to(status);
  return status;
}

void Lifecycle::publish_status() {
  std::vector<StatusEntry> entries;
  std::vector<HolderEntry> holders = retired_.holders();
  for (const auto& [name, reader] : readers_) {
    const ReaderInstance* const instance = reader.generation.instance.get();
    entries.push_back({status_of(reader), instance ? instance->stats() : nullptr});
    if (instance) {
      holders.push_back({name, reader.generation_number,
                         reader.state == ReaderState::swapping ? "swap under way" : "", instance->stats()});
    }
    if (reader.probation && reader.probation->old.instance) {
      holders.push_back({name, reader.probation->old.plugin->generation(), "suspended for the probation",
                         reader.probation->old.instance->stats()});
    }
  }
  for (const ReaderStatus& other : others_) {
    if (!readers_.contains(other.name)) entries.push_back({other, nullptr});
  }
  board_.set(std::move(entries), std::move(holders));
}

void Lifecycle::publish_event(const char* kind, const std::string& reader, std::uint64_t generation,
                              const std::string& cause, const std::filesystem::path& file) const {
  nlohmann::json details = nlohmann::json::object();
  if (!cause.empty()) details["cause"] = cause;
  if (!file.empty()) details["file"] = file.string();
  Event event;
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
