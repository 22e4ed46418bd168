// events.*: what readers publish and what happens to them, as it happens.
#include <algorithm>

#include "base/nearest_name.hpp"
#include "control/method.hpp"

namespace perch::control {
namespace {

using instances::Event;

/// The hub's queue bridges the time until the server's thread comes by; see Connection for what it does then.
constexpr std::size_t queue_events_max = 1024;

struct Filter {
  std::vector<std::string> kinds;
  std::string reader;
  std::string topic;

  bool operator()(const Event& event) const {
    return (kinds.empty() || std::find(kinds.begin(), kinds.end(), event.kind) != kinds.end()) &&
           (reader.empty() || event.reader == reader) &&
           (topic.empty() || event.kind != "publication" || event.topic == topic);
  }
};

Result<void> check_kind(const std::string& kind) {
  const auto& kinds = instances::event_kinds;
  if (std::find(kinds.begin(), kinds.end(), kind) != kinds.end()) return {};
  const std::vector<std::string> known(kinds.begin(), kinds.end());
  constexpr std::size_t quoted_bytes_max = 100;
  std::string message = "no kind of event \"" + kind.substr(0, quoted_bytes_max) + "\"";
  if (const std::string nearest = nearest_name(kind, known); !nearest.empty())
    message += "; did you mean \"" + nearest + "\"?";
  return fail(ErrorKind::usage, message, known);
}

void subscribe(const Call& call) {
  Filter filter{{}, call.text("reader"), call.text("topic")};
  if (const nlohmann::json* kinds = call.find("kinds")) filter.kinds = kinds->get<std::vector<std::string>>();
  for (const std::string& kind : filter.kinds) {
    if (const auto known = check_kind(kind); !known) return call.answer(fail(known.error()));
  }
  const Json result{
      {"subscribed", {{"kinds", filter.kinds}, {"reader", filter.reader}, {"topic", filter.topic}}}};
  call.connection.subscription = call.host.events.subscribe(queue_events_max, std::move(filter),
                                                            [mailbox = call.mailbox] { mailbox->wake(); });
  call.answer(to_text(result));
}

}  // namespace

std::span<const Method> event_methods() {
  static const std::vector<Method> table{
      {"events.subscribe",
       "Sends \"event\" notifications on this connection from now on, \"events.dropped\" when it reads too "
       "slowly; a "
       "second call replaces the first",
       false,
       {{"kinds", ParameterType::texts, false,
         "such as publication, reader.loaded, reader.step, reader.swapped, reader.failed, reader.slow; all "
         "otherwise"},
        {"reader", ParameterType::text, false, "only this reader's"},
        {"topic", ParameterType::text, false, "of publications only those of this topic"}},
       subscribe},
  };
  return table;
}

}  // namespace perch::control
