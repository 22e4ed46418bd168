// What happens to a reader that fails: rollback within a probation, restart with backoff, quarantine; and how
// it gets back on its feet.
#include <algorithm>
#include <utility>

#include "base/log.hpp"
#include "base/text.hpp"
#include "instances/step_timer.hpp"
#include "plugin/config_schema.hpp"
#include "plugin/plugin_file.hpp"
#include "readers/lifecycle.hpp"

namespace perch::readers {
namespace {

constexpr auto hung_look_again = std::chrono::milliseconds(200);

}  // namespace

void Lifecycle::tick(SteadyTime now) {
  retired_.tick();
  for (auto& [name, reader] : readers_) {
    if (reader.generation.instance) {
      if (const auto fault = reader.generation.instance->fault()) handle_fault(reader, *fault);
    }
    if (reader.probation && now >= reader.probation->ends) end_probation(reader);
    if (reader.state() == ReaderState::restarting && now >= *reader.restart_at) restart(reader);
  }
  publish_status();
}

std::optional<SteadyTime> Lifecycle::next_due() const {
  std::optional<SteadyTime> next;
  const auto consider = [&next](SteadyTime time) { next = next ? std::min(*next, time) : time; };
  for (const auto& [name, reader] : readers_) {
    if (reader.probation) consider(reader.probation->ends);
    if (reader.restart_at) consider(*reader.restart_at);
  }
  if (retired_.has_hung()) consider(std::chrono::steady_clock::now() + hung_look_again);
  return next;
}

/// The instance failed, or could not be made.
void Lifecycle::handle_fault(Reader& reader, const Error& cause) {
  const std::string& name = reader.spec.name;
  const bool crashed = cause.kind == ErrorKind::crashed;
  if (crashed) events_.publish("reader.crashed", reader, cause.message);
  if (reader.probation) return bring_back_old(reader, cause.message);
  reader.set_error(short_text(cause));
  if (!crashed) events_.publish("reader.failed", reader, reader.last_error);
  if (reader.generation.instance) reader.checkpoint.keep_of(*reader.generation.instance);
  retired_.end_instance(reader.generation, name);

  const SteadyTime now = std::chrono::steady_clock::now();
  const bool may_restart = cause.kind != ErrorKind::usage && !crashed && reader.generation.plugin != nullptr;
  const auto delay = may_restart ? reader.restart_tracker.next_delay(now) : std::nullopt;
  if (delay) {
    reader.become(ReaderState::restarting);
    reader.restart_at = now + *delay;
    return;
  }
  reader.become(cause.kind == ErrorKind::usage ? ReaderState::failed : ReaderState::quarantined);
  retired_.retire(std::exchange(reader.generation, {}), name);
  if (reader.state() == ReaderState::quarantined)
    events_.publish("reader.quarantined", reader, cause.message);
}

void Lifecycle::restart(Reader& reader) {
  ++reader.restarts;
  const tree::Version from = reader.checkpoint.count_restart(reader.spec.name);
  if (auto running = run_again(reader); !running) return handle_fault(reader, running.error());
  events_.publish("reader.restarted", reader,
                  "from version " + std::to_string(from) + ", after: " + reader.last_error);
}

void Lifecycle::enable(const std::string& name, const Done<instances::ReaderStatus>& done) {
  const auto found = find(name);
  if (!found) return done(fail(found.error()));
  Reader& reader = **found;
  const bool stands = reader.state() == ReaderState::disabled || reader.state() == ReaderState::quarantined ||
                      reader.state() == ReaderState::failed;
  if (stands) {
    if (auto started = start_from_file(reader); !started) {
      reader.set_error("enable: " + short_text(started.error()));
      publish_status();
      return done(fail(of_reader(name, started.error())));
    }
  } else if (reader.state() == ReaderState::restarting) {
    reader.restart_at = std::chrono::steady_clock::now();  // the next tick is at once
    reader.restart_tracker.forget();
  }
  if (auto removed = disabled_.remove(name); !removed) return done(fail(removed.error()));
  blamed_.forgive(name, reader.spec.plugin);
  publish_status();
  done(publisher_.status_of(reader));
}

/// For a reader of which nothing runs. On failure it is as it was.
Result<void> Lifecycle::start_from_file(Reader& reader) {
  const std::string& name = reader.spec.name;
  auto file = plugin::PluginFile::open_trusted(reader.file, spec_.folder);
  if (!file) return fail(file.error());
  if (file->manifest().id != reader.spec.plugin) {
    return fail(ErrorKind::refused, reader.file.string() + " is plugin " + file->manifest().id +
                                        " now, not " + reader.spec.plugin);
  }
  if (auto fits = check_compatible(file->manifest(), host_.catalog); !fits) return fits;
  if (auto fits = check_config(file->manifest(), reader.spec.config); !fits) return fits;
  instances::StepTimer timer;
  auto generation = loader_.load(*file, reader.spec, std::nullopt, timer);
  if (!generation) return fail(generation.error());
  const auto from = reader.checkpoint.usable_by(file->manifest(), name);
  auto running = loader_.create_instance(*generation, reader.spec);
  if (running) running = generation->instance->begin(from, spec_.callback_deadline);
  if (!running) {
    retired_.retire(std::move(*generation), name);
    return running;
  }
  reader.adopt(std::move(*generation));
  reader.become(ReaderState::running);
  reader.checkpoint.drop();  // the instance has one of its own
  reader.last_error.clear();
  reader.restart_tracker.forget();
  events_.publish("reader.enabled", reader, "from version " + std::to_string(from ? from->version : 0));
  return {};
}

void Lifecycle::drop_checkpoints() {
  for (auto& [name, reader] : readers_) {
    reader.checkpoint.drop();
    if (reader.generation.instance) reader.generation.instance->drop_checkpoint();
  }
  publish_status();
}

void Lifecycle::notice_catch_up() {
  for (auto& [name, reader] : readers_) {
    if (reader.generation.instance) reader.generation.instance->notice_catch_up();
  }
}

}  // namespace perch::readers
