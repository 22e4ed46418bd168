// perch top: the host in numbers per second, again and again.
#include <poll.h>
#include <unistd.h>

#include <memory>

#include "base/units.hpp"
#include "cli/commands.hpp"
#include "cli/interrupt.hpp"
#include "cli/rates.hpp"

namespace perch::cli {
namespace {

struct TopOptions {
  std::string every = "1s";
  std::uint64_t count = 0;  // 0: no end
};

/// True: the user wants to stop.
bool wait(std::chrono::nanoseconds time, const UniqueFd& interrupt) {
  pollfd watched{interrupt.get(), POLLIN, 0};
  const auto milliseconds = std::chrono::ceil<std::chrono::milliseconds>(time).count();
  return ::poll(&watched, 1, static_cast<int>(milliseconds)) > 0;
}

/// On a terminal each screen takes the place of the last one; anywhere else they follow each other.
void show(const Context& context, const Json& status, const Json& rates) {
  if (context.json) return print(rates);
  const std::string text = rates_text(status, rates);
  if (::isatty(STDOUT_FILENO) == 0) return print(text + "\n");
  std::string screen = "\x1b[H";  // home; each line clears what was behind it, so that nothing flickers
  for (const char c : text) screen += c == '\n' ? std::string("\x1b[K\n") : std::string(1, c);
  print(screen + "\x1b[J");
}

Outcome<int> top(const Context& context, const TopOptions& options) {
  const UniqueFd interrupt = interrupt_signals();
  auto client = Client::connect(context.socket, context.deadline());
  if (!client) return end_with(client.error());
  const auto every = parse_duration(options.every);
  if (!every) return end_with(every.error());
  if (!context.json && ::isatty(STDOUT_FILENO) != 0) print(std::string("\x1b[2J"));
  auto before = client->call("host.status", Json::object(), context.deadline());
  if (!before) return end_with(before.error());
  for (std::uint64_t shown = 0; options.count == 0 || shown < options.count; ++shown) {
    // The first numbers come soon; those after them are of the whole stretch.
    if (wait(shown == 0 ? std::min<std::chrono::nanoseconds>(*every, std::chrono::seconds(1)) : *every,
             interrupt))
      break;
    auto now = client->call("host.status", Json::object(), context.deadline());
    if (!now) return end_with(now.error());
    show(context, *now, rates_between(*before, *now));
    before = std::move(now);
  }
  return exit_done;
}

}  // namespace

void add_top_command(CLI::App& app, Context& context) {
  CLI::App* command = add_command(
      app, "top", "Rates and percentiles of the last second: sources, tables, commits, readers, memory",
      "perch top");
  const auto options = std::make_shared<TopOptions>();
  command->add_option("--every", options->every, "A new screen so often")
      ->capture_default_str()
      ->check(duration_validator(std::chrono::hours(1)));
  command->add_option("--count", options->count, "End after so many screens")->check(count_validator());
  command->callback(
      [&context, options] { context.run = [&context, options] { return top(context, *options); }; });
}

}  // namespace perch::cli
