#include "readers/reader_events.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "base/assert.hpp"
#include "base/log.hpp"
#include "base/units.hpp"

namespace perch::readers {
namespace {

bool is_bad_news(std::string_view kind) {
  return kind == "reader.failed" || kind == "reader.quarantined" || kind == "reader.rolled_back" ||
         kind == "reader.refused" || kind == "reader.crashed" || kind == "host.degraded";
}

}  // namespace

void ReaderEvents::publish(const char* kind, const std::string& reader, std::uint64_t generation,
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
  hub_.publish(std::move(event));
}

instances::StepTimer ReaderEvents::timer_of(const Reader& reader, SteadyTime begin) const {
  return instances::StepTimer(begin, [this, &reader](const instances::SwapStep& step) {
    instances::Event event;
    event.kind = "reader.step";
    event.reader = reader.spec.name;
    event.generation = reader.generation_number;
    event.json = nlohmann::json{{"step", step.what}, {"took_ns", step.took_ns}}.dump();
    spdlog::debug("reader {}: {} ({})", reader.spec.name, step.what,
                  format_duration(std::chrono::nanoseconds(step.took_ns)));
    hub_.publish(std::move(event));
  });
}

}  // namespace perch::readers
