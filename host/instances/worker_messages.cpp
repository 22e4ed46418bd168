#include "instances/worker_messages.hpp"

#include <spdlog/common.h>

#include <algorithm>
#include <utility>

#include "base/bounded_json.hpp"
#include "base/text.hpp"
#include "instances/host_services.hpp"

namespace perch::instances {
namespace {

using isolation::Json;
using isolation::Message;

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

/// A message to be sent. The descriptors stay the sender's.
struct Form {
  Json body;
  std::vector<int> descriptors = {};
};

std::uint64_t unsigned_of(const Json& message, const char* name) {
  const auto found = message.find(name);
  return found != message.end() && found->is_number_unsigned() ? found->get<std::uint64_t>() : 0;
}

bool flag_of(const Json& message, const char* name) {
  const auto found = message.find(name);
  return found != message.end() && found->is_boolean() && found->get<bool>();
}

/// As it is: of the host's orders, which are trusted.
std::string whole_text_of(const Json& message, const char* name) {
  const auto found = message.find(name);
  return found != message.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::chrono::nanoseconds time_of(const Json& message, const char* name) {
  return std::chrono::nanoseconds(number_of<std::int64_t>(message, name));
}

UniqueFd take_descriptor(Message& message, std::size_t index) {
  return index < message.descriptors.size() ? std::move(message.descriptors[index]) : UniqueFd();
}

// ---- Orders

std::vector<std::filesystem::path> paths_of(const Json& message, const char* name) {
  std::vector<std::filesystem::path> paths;
  const auto found = message.find(name);
  if (found == message.end() || !found->is_array()) return paths;
  for (const Json& path : *found) {
    if (path.is_string()) paths.emplace_back(path.get<std::string>());
  }
  return paths;
}

Json paths_json(const std::vector<std::filesystem::path>& paths) {
  Json json = Json::array();
  for (const auto& path : paths) json.push_back(path.string());
  return json;
}

Json sandbox_json(const SandboxSpec& sandbox) {
  return {{"is_on", sandbox.is_on},
          {"read", paths_json(sandbox.read)},
          {"write", paths_json(sandbox.write)},
          {"memory_bytes", sandbox.memory_bytes},
          {"cpu_s", sandbox.cpu.count()},
          {"files", sandbox.files}};
}

SandboxSpec sandbox_from(const Json& message) {
  SandboxSpec sandbox;  // without the order's word it is on
  const auto found = message.find("sandbox");
  if (found == message.end() || !found->is_object()) return sandbox;
  sandbox.is_on = found->value("is_on", Json(true)) != Json(false);
  sandbox.read = paths_of(*found, "read");
  sandbox.write = paths_of(*found, "write");
  sandbox.memory_bytes = unsigned_of(*found, "memory_bytes");
  sandbox.cpu = std::chrono::seconds(number_of<std::int64_t>(*found, "cpu_s"));
  sandbox.files = number_of<std::uint32_t>(*found, "files");
  return sandbox;
}

Form form_of(const orders::Create& order) {
  return {{{"order", "create"},
           {"reader", order.reader},
           {"config", order.config},
           {"spin", order.spin},
           {"generation", order.generation},
           {"copy", order.copy.string()},
           {"source", order.source.string()},
           {"checkpoint_ns", order.checkpoint.count()},
           {"callback_deadline_ns", order.callback_deadline.count()},
           {"log_level", order.log_level},
           {"tables", order.tables},
           {"sandbox", sandbox_json(order.sandbox)}},
          {order.arena.get(), order.slot_page.get()}};
}

orders::Create create_from(Message& message) {
  const Json& body = message.body;
  return {whole_text_of(body, "reader"),
          whole_text_of(body, "config"),
          flag_of(body, "spin"),
          unsigned_of(body, "generation"),
          whole_text_of(body, "copy"),
          whole_text_of(body, "source"),
          time_of(body, "checkpoint_ns"),
          time_of(body, "callback_deadline_ns"),
          whole_text_of(body, "log_level"),
          body.value("tables", Json()),
          sandbox_from(body),
          take_descriptor(message, 0),
          take_descriptor(message, 1)};
}

Form with_state(const char* order, const GivenState& state) {
  return {{{"order", order}, {"version", state.version}, {"state_version", state.state_version}},
          {state.bytes.get()}};
}

std::optional<GivenState> given_state_from(Message& message) {
  if (message.descriptors.empty()) return std::nullopt;
  return GivenState{unsigned_of(message.body, "version"),
                    number_of<std::uint32_t>(message.body, "state_version"), take_descriptor(message, 0)};
}

Form form_of(const orders::Begin& order) {
  return order.from ? with_state("begin", *order.from) : Form{{{"order", "begin"}}};
}
Form form_of(const orders::Rehearse& order) { return with_state("rehearse", order.state); }
Form form_of(const orders::Suspend&) { return {{{"order", "suspend"}}}; }
Form form_of(const orders::Resume&) { return {{{"order", "resume"}}}; }
Form form_of(const orders::Hold&) { return {{{"order", "hold"}}}; }
Form form_of(const orders::CatchUp&) { return {{{"order", "catch_up"}}}; }
Form form_of(const orders::DropCheckpoint&) { return {{{"order", "drop_checkpoint"}}}; }
Form form_of(const orders::End&) { return {{{"order", "end"}}}; }

/// False: no order.
bool read_order(const std::string& what, Message& message, Order& order) {
  if (what == "create") {
    order.what = create_from(message);
  } else if (what == "begin") {
    order.what = orders::Begin{given_state_from(message)};
  } else if (what == "rehearse") {
    auto state = given_state_from(message);
    if (!state) return false;
    order.what = orders::Rehearse{std::move(*state)};
  } else if (what == "suspend") {
    order.what = orders::Suspend{};
  } else if (what == "resume") {
    order.what = orders::Resume{};
  } else if (what == "hold") {
    order.what = orders::Hold{};
  } else if (what == "catch_up") {
    order.what = orders::CatchUp{};
  } else if (what == "drop_checkpoint") {
    order.what = orders::DropCheckpoint{};
  } else if (what == "end") {
    order.what = orders::End{};
  } else {
    return false;
  }
  return true;
}

// ---- What a worker says

Form with_state(Json body, const SaidState& state) {
  body["version"] = state.version;
  body["word"] = state.word;
  return {std::move(body), {state.bytes.get()}};
}

/// Without bytes unless there is one descriptor: it is not guessed which of several they are.
SaidState said_state_from(Message& message) {
  return {unsigned_of(message.body, "version"), unsigned_of(message.body, "word"),
          message.descriptors.size() == 1 ? take_descriptor(message, 0) : UniqueFd()};
}

Form form_of(const says::Answer& said) {
  Json body{{"say", "answer"}, {"ticket", said.ticket}};
  if (said.error) body["error"] = isolation::to_json(*said.error);
  return said.state.bytes ? with_state(std::move(body), said.state) : Form{std::move(body)};
}

std::optional<WorkerMessage> answer_from(Message& message) {
  const auto ticket = message.body.find("ticket");
  if (ticket == message.body.end() || !ticket->is_number_unsigned()) return std::nullopt;
  says::Answer said{ticket->get<std::uint64_t>(), std::nullopt, said_state_from(message)};
  const auto error = message.body.find("error");
  if (error != message.body.end() && error->is_object()) said.error = isolation::error_from(*error);
  return said;
}

Form form_of(const says::Stats& said) {
  const ReaderStatus& status = said.status;
  return {{{"say", "stats"},
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
           {"callback_began_ns", said.callback_began_ns},
           {"cpu_ns", status.cpu_ns},
           {"metrics", metrics_json(status.metrics)}}};
}

says::Stats stats_from(const Json& message) {
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
  return {std::move(status), number_of<std::int64_t>(message, "callback_began_ns")};
}

Form form_of(const says::Happened& said) {
  const Event& event = said.event;
  return {{{"say", "event"},
           {"kind", event.kind},
           {"version", event.version},
           {"topic", event.topic},
           {"json", event.json}}};
}

says::Happened event_from(const Json& message) {
  Event event;
  event.kind = text_of(message, "kind", 64);
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
  return {std::move(event)};
}

Form form_of(const says::Sandboxed& said) {
  return {{{"say", "sandboxed"}, {"lacks", said.lacks}},
          said.attempts ? std::vector{said.attempts.get()} : std::vector<int>()};
}

says::Sandboxed sandboxed_from(Message& message) {
  constexpr std::size_t lacks_max = 16;
  says::Sandboxed said;
  const auto lacks = message.body.find("lacks");
  if (lacks != message.body.end() && lacks->is_array()) {
    for (const Json& each : *lacks) {
      if (said.lacks.size() < lacks_max && each.is_string())
        said.lacks.push_back(clean_text(each.get_ref<const std::string&>(), 200));
    }
  }
  said.attempts = take_descriptor(message, 0);
  return said;
}

Form form_of(const says::LogLine& said) {
  return {{{"say", "log"}, {"level", said.level}, {"text", said.text}}};
}

std::optional<WorkerMessage> log_line_from(const Json& message) {
  const auto level = message.find("level");
  const auto text = message.find("text");
  if (level == message.end() || !level->is_number_integer() || text == message.end() || !text->is_string())
    return std::nullopt;
  return says::LogLine{std::clamp(level->get<int>(), static_cast<int>(spdlog::level::debug),
                                  static_cast<int>(spdlog::level::err)),
                       text_of(message, "text", HostServices::log_bytes_max)};
}

Form form_of(const says::Checkpoint& said) { return with_state({{"say", "checkpoint"}}, said.state); }
Form form_of(const says::Fault& said) {
  return {{{"say", "fault"}, {"error", isolation::to_json(said.error)}}};
}
Form form_of(const says::Ended& said) { return {{{"say", "ended"}, {"left", said.left}}}; }

}  // namespace

bool send(isolation::Channel& channel, const Order& order) {
  Form form = std::visit([](const auto& what) { return form_of(what); }, order.what);
  form.body["ticket"] = order.ticket;
  form.body["wait_ns"] = order.wait.count();
  return channel.send(form.body, form.descriptors);
}

std::optional<Order> order_from(Message message) {
  Order order;
  if (!read_order(whole_text_of(message.body, "order"), message, order)) return std::nullopt;
  order.ticket = unsigned_of(message.body, "ticket");
  order.wait = time_of(message.body, "wait_ns");
  return order;
}

says::Stats stats_of(const LiveStats& stats) {
  says::Stats said;
  stats.copy_to(said.status);
  said.callback_began_ns = stats.callback.began_ns();
  return said;
}

bool send(isolation::Channel& channel, const WorkerMessage& message) {
  const Form form = std::visit([](const auto& said) { return form_of(said); }, message);
  return channel.send(form.body, form.descriptors);
}

std::optional<WorkerMessage> worker_message_from(Message message) {
  const std::string what = text_of(message.body, "say", 32);
  if (what == "answer") return answer_from(message);
  if (what == "stats") return stats_from(message.body);
  if (what == "event") return event_from(message.body);
  if (what == "sandboxed") return sandboxed_from(message);
  if (what == "log") return log_line_from(message.body);
  if (what == "checkpoint") return says::Checkpoint{said_state_from(message)};
  if (what == "fault") return says::Fault{isolation::error_from(message.body.value("error", Json::object()))};
  if (what == "ended") return says::Ended{text_of(message.body, "left", HostServices::log_bytes_max)};
  return std::nullopt;
}

}  // namespace perch::instances
