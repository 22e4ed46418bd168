// events.*: what readers publish and what happens to them, as it happens.
#include <algorithm>

#include "control/method.hpp"

namespace perch::control {
namespace {

using readers::Event;

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

void subscribe(const Call& call) {
  Filter filter{{}, call.text("reader"), call.text("topic")};
  if (const nlohmann::json* kinds = call.find("kinds")) filter.kinds = kinds->get<std::vector<std::string>>();
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
         "such as publication, reader.loaded, reader.swapped, reader.unloaded, reader.failed; all otherwise"},
        {"reader", ParameterType::text, false, "only this reader's"},
        {"topic", ParameterType::text, false, "of publications only those of this topic"}},
       subscribe},
  };
  return table;
}

}  // namespace perch::control
