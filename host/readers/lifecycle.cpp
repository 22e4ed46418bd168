#include "readers/lifecycle.hpp"

#include <algorithm>
#include <utility>

#include "base/assert.hpp"
#include "base/log.hpp"
#include "base/nearest_name.hpp"
#include "base/text.hpp"
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

}  // namespace

Lifecycle::Lifecycle(const ReadersSpec& spec, instances::HostParts host, DisabledReaders disabled,
                     StatusBoard& board)
    : spec_(spec),
      host_(std::move(host)),
      events_(host_.events),
      loader_(spec_, host_),
      retired_(spec_.callback_deadline),
      hand_over_(spec_, host_.catalog, loader_, retired_),
      publisher_(loader_, retired_, events_, board),
      disabled_(std::move(disabled)),
      blamed_(BlamedReaders::read(spec_.blame_file)) {}

Lifecycle::~Lifecycle() { PERCH_ASSERT(readers_.empty(), "the lifecycle ends after its readers"); }

// ---- Loading

/// A new instance in the library that the reader has, from its checkpoint, else from version 0. On failure
/// nothing of it runs; the reader has lost its library when it hangs in there.
Result<void> Lifecycle::run_again(Reader& reader) {
  const std::string& name = reader.spec.name;
  const auto from = reader.checkpoint.usable_by(reader.generation.plugin->manifest(), name);
  auto running = loader_.create_instance(reader.generation, reader.spec);
  if (running) running = reader.generation.instance->begin(from, spec_.callback_deadline);
  if (!running) {
    retired_.end_instance(reader.generation, name);
    return running;
  }
  reader.become(ReaderState::running);
  reader.checkpoint.drop();  // the instance has it now
  return {};
}

Reader& Lifecycle::add(const InstanceSpec& spec, const plugin::PluginFile& file) {
  unloaded_.erase(spec.name);
  Reader reader(spec, file.path(), file.manifest().version, spec_.restart);
  return readers_.insert_or_assign(spec.name, std::move(reader)).first->second;
}

Result<void> Lifecycle::keep_running(plugin::PluginFile file, InstanceSpec spec) {
  if (add_idle(file, spec)) {
    publish_status();
    return {};
  }
  blamed_.forgive(spec.name, spec.plugin);  // its file has changed
  instances::StepTimer timer;
  std::optional<Trial> trial;
  if (loader_.has_trial(spec)) trial.emplace();
  auto generation = loader_.load(file, spec, trial, timer);
  if (!generation) return fail(generation.error());
  Reader& reader = add(spec, file);
  reader.adopt(std::move(*generation));
  if (auto running = run_again(reader); !running) {
    handle_fault(reader, running.error());
  } else {
    events_.publish("reader.loaded", reader, "");
  }
  publish_status();
  return {};
}

/// Adds a reader that must not run: it is disabled, its config is wrong, or the last host died of it. False:
/// nothing speaks against it.
bool Lifecycle::add_idle(const plugin::PluginFile& file, const InstanceSpec& spec) {
  if (disabled_.contains(spec.name)) {
    add(spec, file).become(ReaderState::disabled);
    spdlog::info("reader {} is disabled: it starts with `perch enable {}`", spec.name, spec.name);
    return true;
  }
  if (const auto fits = check_config(file.manifest(), spec.config); !fits) {
    handle_fault(add(spec, file), fits.error());
    return true;
  }
  const std::string blame = blamed_.blame(spec.name, spec.plugin, file.path());
  if (blame.empty()) return false;
  Reader& reader = add(spec, file);
  reader.become(ReaderState::quarantined);
  reader.set_error("the last host died of it: " + blame + "; `perch enable " + spec.name +
                   "` starts it all the same");
  events_.publish("reader.quarantined", reader, reader.last_error);
  return true;
}

void Lifecycle::load(const std::filesystem::path& file, std::string name, std::string config,
                     bool without_trial, const Done<instances::ReaderStatus>& done) {
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
  if (!without_trial && loader_.has_trial(spec)) trial.emplace();
  auto generation = loader_.load(*opened, spec, trial, timer);
  if (!generation) return done(fail(of_reader(name, generation.error())));

  Reader& reader = add(spec, *opened);
  reader.adopt(std::move(*generation));
  if (auto running = run_again(reader); !running) {
    retired_.retire(std::move(reader.generation), name);
    readers_.erase(name);
    events_.publish("reader.refused", name, 0, short_text(running.error()), file);
    publish_status();
    return done(fail(of_reader(name, running.error())));
  }
  events_.publish("reader.loaded", reader, "");
  publish_status();
  done(publisher_.status_of(reader));
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
  reader.checkpoint.drop();
  return left_of_current.empty() ? left : left_of_current;
}

void Lifecycle::unload(const std::string& name, const Done<std::string>& done) {
  const auto found = find(name);
  if (!found) return done(fail(found.error()));
  if (auto forgotten = disabled_.remove(name); !forgotten) return done(fail(forgotten.error()));
  Reader& reader = **found;
  const std::string left = end_generations(reader, "unloaded");
  events_.publish("reader.unloaded", reader, left);
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
  events_.publish("reader.unloaded", reader, left.empty() ? "its file is gone" : "its file is gone; " + left);
  readers_.erase(found);
  publish_status();
}

void Lifecycle::disable(const std::string& name, const Done<instances::ReaderStatus>& done) {
  const auto found = find(name);
  if (!found) return done(fail(found.error()));
  Reader& reader = **found;
  if (reader.state() == ReaderState::disabled) return done(publisher_.status_of(reader));
  if (auto added = disabled_.add(name); !added) return done(fail(added.error()));
  const std::string left = end_generations(reader, "disabled");
  reader.become(ReaderState::disabled);
  events_.publish("reader.disabled", reader, left);
  publish_status();
  done(publisher_.status_of(reader));
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
  publisher_.show_also(std::move(others));
  publish_status();
}

}  // namespace perch::readers
