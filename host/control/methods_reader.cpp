// reader.*: the life of readers. Each answer comes from the manager's thread when the thing is done.
#include <algorithm>

#include "base/units.hpp"
#include "control/method.hpp"
#include "control/snapshots_json.hpp"
#include "control/status_json.hpp"
#include "plugin/elf_inspection.hpp"
#include "readers/done.hpp"
#include "readers/swap_report.hpp"

namespace perch::control {
namespace {

using instances::ReaderStatus;
using readers::SwapReport;

/// As in the config: a request that waits for hours has been forgotten by who made it.
constexpr std::chrono::nanoseconds probation_max = std::chrono::hours(1);

/// The host's working folder is nobody's business: a relative path would mean different files to it and its
/// caller.
Result<std::filesystem::path> absolute_file(const Call& call) {
  std::filesystem::path file = call.text("file");
  if (!file.empty() && !file.is_absolute()) {
    return fail(ErrorKind::usage, "\"" + file.native() + "\" is a relative path: give an absolute one");
  }
  return file;
}

readers::Done<ReaderStatus> answer_with_status(const Call& call) {
  return [answer = call.answer](Result<ReaderStatus> done) {
    answer(done.map([](const ReaderStatus& status) { return to_text(Json{{"reader", to_json(status)}}); }));
  };
}

void list_readers(const Call& call) {
  call.answer(to_text(Json{{"published_version", call.host.store.reads().published_version()},
                           {"readers", readers_json(call.host, pinned_versions(call.host))}}));
}

void load(const Call& call) {
  const auto file = absolute_file(call);
  if (!file) return call.answer(fail(file.error()));
  const nlohmann::json* config = call.find("config");
  call.host.readers.load(*file, call.text("name"), config ? config->dump() : "{}", answer_with_status(call),
                         call.flag("no_trial"));
}

/// The probation that was asked for, if any; gives the request the time for it.
Result<std::optional<std::chrono::nanoseconds>> probation_of(const Call& call) {
  std::optional<std::chrono::nanoseconds> probation;
  if (call.has("probation")) probation = *parse_duration(call.text("probation"));
  if (probation > probation_max) {
    return fail(ErrorKind::usage, "probation: give at most " + format_duration(probation_max));
  }
  call.allow_more_time(probation.value_or(call.host.probation));
  return probation;
}

readers::Done<SwapReport> answer_with_report(const Call& call) {
  return [answer = call.answer](Result<SwapReport> done) {
    answer(done.map([](const SwapReport& report) { return to_text(to_json(report)); }));
  };
}

void swap(const Call& call) {
  const auto file = absolute_file(call);
  if (!file) return call.answer(fail(file.error()));
  const auto probation = probation_of(call);
  if (!probation) return call.answer(fail(probation.error()));
  const readers::SwapOptions options{*file, *probation, call.flag("without_state"), call.flag("dry_run"),
                                     call.flag("no_trial")};
  call.host.readers.swap(call.text("name"), options, answer_with_report(call));
}

void configure(const Call& call) {
  const auto probation = probation_of(call);
  if (!probation) return call.answer(fail(probation.error()));
  call.host.readers.configure(call.text("name"), call.find("config")->dump(), *probation,
                              answer_with_report(call));
}

void accept(const Call& call) { call.host.readers.accept(call.text("name"), answer_with_status(call)); }

void rollback(const Call& call) { call.host.readers.rollback(call.text("name"), answer_with_status(call)); }

void unload(const Call& call) {
  const std::string name = call.text("name");
  call.host.readers.unload(name, [answer = call.answer, name](const Result<std::string>& done) {
    answer(done.map([&](const std::string& left) {
      return to_text(Json{{"unloaded", name}, {"left", left}});
    }));
  });
}

void enable(const Call& call) { call.host.readers.enable(call.text("name"), answer_with_status(call)); }

void disable(const Call& call) { call.host.readers.disable(call.text("name"), answer_with_status(call)); }

void inspect(const Call& call) {
  const auto file = absolute_file(call);
  if (!file) return call.answer(fail(file.error()));
  const auto inspection = plugin::inspect_file(*file);
  if (!inspection) return call.answer(fail(inspection.error()));
  const auto fits = plugin::check_compatible(inspection->manifest, call.host.catalog);
  Json json{{"file", file->native()}};
  json.update(plugin::to_json(*inspection));
  json["compatible"] = fits.has_value();
  json["differences"] = fits ? std::vector<std::string>{} : fits.error().details;
  call.answer(to_text(json));
}

const Parameter reader_name{"name", ParameterType::text, true, "the reader"};
const Parameter probation{"probation", ParameterType::duration, false,
                          "how long it must run without a fault, at most 1h; the configured time otherwise"};
const Parameter plugin_file{"file", ParameterType::text, true, "the plugin's .so, an absolute path"};

}  // namespace

std::span<const Method> reader_methods() {
  static const std::vector<Method> table{
      {"reader.list",
       "Every reader with its state, generation, version, retained bytes and metrics",
       false,
       {},
       list_readers},
      {"reader.load",
       "Runs a plugin file as a reader; answers when it runs",
       true,
       {plugin_file,
        {"name", ParameterType::text, false, "the reader's name; the plugin's id otherwise"},
        {"config", ParameterType::object, false, "what the plugin's create gets; {} otherwise"},
        {"no_trial", ParameterType::boolean, false, "load it without a trial in a process of its own"}},
       load},
      {"reader.swap",
       "Replaces a reader's generation, state handed over; answers with the verdict, after probation",
       true,
       {reader_name,
        {"file", ParameterType::text, false, "the new .so, an absolute path; the one it came from otherwise"},
        probation,
        {"no_trial", ParameterType::boolean, false, "load it without a trial in a process of its own"},
        {"without_state", ParameterType::boolean, false,
         "gives up an old generation that hangs: it is neither asked for its state nor waited for"},
        {"dry_run", ParameterType::boolean, false,
         "tries all that changes nothing: load, create, restore a state saved now"}},
       swap},
      {"reader.configure",
       "Swaps a reader to the code that it runs with another config, state handed over; answers with the "
       "verdict",
       true,
       {reader_name,
        {"config", ParameterType::object, true, "the whole new config, as the plugin's schema wants it"},
        probation},
       configure},
      {"reader.accept", "Ends a probation: the new generation stays", true, {reader_name}, accept},
      {"reader.rollback", "Ends a probation: the old generation goes on", true, {reader_name}, rollback},
      {"reader.unload",
       "Stops a reader and unloads its plugin; \"left\" says what of it could not be unloaded",
       true,
       {reader_name},
       unload},
      {"reader.enable",
       "Starts a reader that is disabled, quarantined or failed, from its file as it is now",
       true,
       {reader_name},
       enable},
      {"reader.disable",
       "Stops a reader until it is enabled, also across restarts of the host",
       true,
       {reader_name},
       disable},
      {"reader.inspect",
       "What a plugin file says about itself, whether it can be loaded and whether it fits the tables; "
       "nothing of it runs",
       false,
       {plugin_file},
       inspect},
  };
  return table;
}

}  // namespace perch::control
