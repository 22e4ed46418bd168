// perch tail: readers' results as they are published.
#include <cstdio>
#include <memory>

#include "base/unique_fd.hpp"
#include "base/units.hpp"
#include "cli/commands.hpp"
#include "cli/human_text.hpp"
#include "cli/interrupt.hpp"

namespace perch::cli {
namespace {

struct TailOptions {
  std::string reader, topic;
  std::uint64_t count = 0;  // 0: no end
  bool events = false;
  bool pretty = false;
};

std::string event_text(const Json& event, bool pretty) {
  const auto kind = event.at("kind").get<std::string>();
  const std::string time = clock_text(event.at("time").get<std::int64_t>());
  const std::string reader = exact_text(event.at("reader"));
  const std::string what = exact_text(kind == "publication" ? event.at("topic") : event.at("kind"));
  const Json& data = event.at("data");
  if (!pretty) return time + " " + reader + "  " + what + "  " + exact_text(data) + "\n";
  return time + " " + reader + "  " + what + "\n" + pretty_text(data);
}

/// Prints one notification; true when it counts as an event.
bool print_notification(const Context& context, const TailOptions& options, const Json& notification) {
  const Json& params = notification.at("params");
  if (notification.at("method") == "events.dropped") {
    std::fprintf(stderr, "perch: %s events were dropped: this terminal reads too slowly\n",
                 exact_text(params.at("count")).c_str());
    return false;
  }
  if (context.json) {
    print(params);
  } else {
    print(event_text(params, options.pretty));
  }
  return true;
}

/// A reader may still come; but a name with a slip in it should not wait in silence.
Outcome<void> warn_of_unknown_reader(Client& client, const std::string& name, Deadline deadline) {
  const auto list = client.call("reader.list", Json::object(), deadline);
  if (!list) return end_with(list.error());
  std::string names;
  for (const Json& reader : list->at("readers")) {
    const std::string each = exact_text(reader.at("name"));
    if (each == name) return {};
    names += (names.empty() ? "" : ", ") + each;
  }
  std::fprintf(stderr, "perch: no reader \"%s\" yet (readers: %s); waiting for it\n", name.c_str(),
               names.empty() ? "none" : names.c_str());
  return {};
}

/// The end that --timeout brought.
tl::unexpected<Failure> time_is_up(const TailOptions& options, std::uint64_t seen,
                                   const std::string& timeout) {
  const std::string verb = options.events ? " happened" : " were published";
  if (seen == 0) {
    return end_with(exit_timeout,
                    (options.events ? "nothing happened within " : "nothing was published within ") +
                        timeout + " (--timeout)");
  }
  const std::string wanted = options.count == 0 ? "" : " of " + std::to_string(options.count);
  return end_with(exit_timeout, std::to_string(seen) + wanted + verb + " within " + timeout + " (--timeout)");
}

Outcome<int> tail(const Context& context, const TailOptions& options) {
  const UniqueFd interrupt = interrupt_signals();
  auto client = Client::connect(context.socket, context.deadline());
  if (!client) return end_with(client.error());
  Json params = Json::object();
  if (!options.events) params["kinds"] = Json::array({"publication"});
  if (!options.reader.empty()) params["reader"] = options.reader;
  if (!options.topic.empty()) params["topic"] = options.topic;
  if (const auto reply = client->call("events.subscribe", params, context.deadline()); !reply) {
    return end_with(reply.error());
  }
  if (!options.reader.empty()) {
    if (const auto looked = warn_of_unknown_reader(*client, options.reader, context.deadline()); !looked) {
      return end_with(looked.error());
    }
  }
  constexpr auto without_end = std::chrono::hours(24 * 365 * 100);
  const Deadline deadline = context.deadline(without_end);
  for (std::uint64_t seen = 0; options.count == 0 || seen < options.count;) {
    const auto notification = client->next_notification(deadline, interrupt.get());
    if (!notification) {
      const bool late = notification.error().exit_code == exit_timeout && context.timeout;
      return late ? time_is_up(options, seen, *context.timeout) : end_with(notification.error());
    }
    if (!*notification) break;  // Ctrl-C
    if (print_notification(context, options, **notification)) ++seen;
  }
  return exit_done;
}

}  // namespace

void add_tail_command(CLI::App& app, Context& context) {
  CLI::App* command =
      add_command(app, "tail", "Readers' results as they are published, until Ctrl-C, --count or --timeout",
                  "perch tail --reader vwap --count 10");
  const auto options = std::make_shared<TailOptions>();
  command->add_option("--reader", options->reader, "Only this reader's");
  command->add_option("--topic", options->topic, "Only publications of this topic");
  command->add_option("--count", options->count, "End after so many")->check(count_validator());
  command->add_flag("--events", options->events, "Also what happens to readers: loaded, swapped, failed …");
  command->add_flag("--pretty", options->pretty, "Results as small tables");
  command->callback(
      [&context, options] { context.run = [&context, options] { return tail(context, *options); }; });
}

}  // namespace perch::cli
