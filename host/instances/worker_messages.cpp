#include "instances/worker_messages.hpp"

#include <algorithm>

#include "base/bounded_json.hpp"
#include "base/text.hpp"
#include "instances/host_services.hpp"

namespace perch::instances {
namespace {

using isolation::Json;

/// Integers only: what becomes of a fraction out of range is anybody's guess.
template <class Number>
Number number_of(const Json& message, const char* name) {
  const auto found = message.find(name);
  return found != message.end() && found->is_number_integer() ? found->get<Number>() : Number{};
}

std::string text_of(const Json& message, const char* name, std::size_t bytes_max) {
  const auto found = message.find(name);
  return found != message.end() && found->is_string()
             ? clean_text(found->get_ref<const std::string&>(), bytes_max)
             : std::string();
}

Json metrics_json(const std::map<std::string, MetricValue>& metrics) {
  Json json = Json::object();
  for (const auto& [name, metric] : metrics) json[name] = {metric.kind, metric.value, metric.count};
  return json;
}

std::map<std::string, MetricValue> metrics_from(const Json& message) {
  std::map<std::string, MetricValue> metrics;
  const auto found = message.find("metrics");
  if (found == message.end() || !found->is_object()) return metrics;
  for (const auto& [name, metric] : found->items()) {
    if (metrics.size() == Metrics::names_max) break;
    const bool is_metric = metric.is_array() && metric.size() == 3 && metric[0].is_string() &&
                           metric[1].is_number() && metric[2].is_number_integer();
    if (!is_metric) continue;
    metrics[clean_text(name, Metrics::name_bytes_max)] = {clean_text(metric[0].get<std::string>(), 16),
                                                          metric[1].get<double>(),
                                                          metric[2].get<std::uint64_t>()};
  }
  return metrics;
}

}  // namespace

Json stats_message(const LiveStats& stats) {
  ReaderStatus status;
  stats.copy_to(status);
  return {{"say", "stats"},
          {"version", status.version},
          {"version_time_ns", status.version_time_ns},
          {"first_step_ns", status.first_step_ns},
          {"steps", status.steps},
          {"publications", status.publications},
          {"refused_publications", status.refused_publications},
          {"callback_p50_ns", status.callback_p50_ns},
          {"callback_p99_ns", status.callback_p99_ns},
          {"callback_max_ns", status.callback_max_ns},
          {"callback", status.callback},
          {"callback_began_ns", stats.callback.began_ns()},
          {"cpu_ns", status.cpu_ns},
          {"metrics", metrics_json(status.metrics)}};
}

ReaderStatus stats_from(const Json& message, std::int64_t& callback_began_ns) {
  ReaderStatus status;
  status.version = number_of<tree::Version>(message, "version");
  status.version_time_ns = number_of<std::int64_t>(message, "version_time_ns");
  status.first_step_ns = number_of<std::int64_t>(message, "first_step_ns");
  status.steps = number_of<std::uint64_t>(message, "steps");
  status.publications = number_of<std::uint64_t>(message, "publications");
  status.refused_publications = number_of<std::uint64_t>(message, "refused_publications");
  status.callback_p50_ns = number_of<std::int64_t>(message, "callback_p50_ns");
  status.callback_p99_ns = number_of<std::int64_t>(message, "callback_p99_ns");
  status.callback_max_ns = number_of<std::int64_t>(message, "callback_max_ns");
  status.callback = text_of(message, "callback", 32);
  status.cpu_ns = number_of<std::int64_t>(message, "cpu_ns");
  status.metrics = metrics_from(message);
  callback_began_ns = number_of<std::int64_t>(message, "callback_began_ns");
  return status;
}

Json event_message(const Event& event) {
  return {{"say", "event"},
          {"kind", event.kind},
          {"version", event.version},
          {"topic", event.topic},
          {"json", event.json}};
}

Event event_from(const Json& message, const std::string& reader, std::uint64_t generation) {
  Event event;
  event.kind = text_of(message, "kind", 64);
  event.reader = reader;
  event.generation = generation;
  event.version = number_of<std::uint64_t>(message, "version");
  event.topic = text_of(message, "topic", HostServices::topic_bytes_max);
  const auto json = message.find("json");
  const bool is_json =
      json != message.end() && json->is_string() &&
      json->get_ref<const std::string&>().size() <= HostServices::publication_bytes_max &&
      is_bounded_json(json->get_ref<const std::string&>(), HostServices::publication_depth_max);
  event.json = is_json ? json->get<std::string>() : "{}";
  std::replace_if(
      event.json.begin(), event.json.end(), [](char c) { return c == '\n' || c == '\r'; }, ' ');
  return event;
}

}  // namespace perch::instances
