// perch readers, load, swap, configure, accept, rollback, disable, enable, unload
#include <cstdio>
#include <memory>

#include "base/text_table.hpp"
#include "base/units.hpp"
#include "cli/commands.hpp"
#include "cli/human_text.hpp"
#include "cli/text_argument.hpp"

namespace perch::cli {
namespace {

constexpr auto probation_max = std::chrono::hours(1);  // the host's limit too
constexpr auto swap_margin = std::chrono::seconds(30);

std::string lag_text(std::uint64_t published, const Json& reader) {
  const auto version = reader.at("version").get<std::uint64_t>();
  return grouped_text(published > version ? published - version : 0);
}

/// "running", or with the plugin's function that has been running for longer than a moment.
std::string state_text(const Json& reader) {
  const std::string state = exact_text(reader.at("state"));
  const std::chrono::nanoseconds lasts(reader.at("callback_for_ns").get<std::int64_t>());
  if (lasts < std::chrono::seconds(1)) return state;
  return state + ", " + exact_text(reader.at("callback")) + " for " + format_duration(lasts);
}

/// Below the table: what went wrong last, and when; what is still there of old generations.
std::string notes_text(const Json& reader) {
  std::string notes;
  const std::string name = exact_text(reader.at("name"));
  if (const std::string error = exact_text(reader.at("last_error")); !error.empty()) {
    const auto at_ns = reader.at("last_error_ns").get<std::int64_t>();
    const std::string ago =
        at_ns > 0 ? " (" + format_duration(std::chrono::nanoseconds(unix_now_ns() - at_ns)) + " ago)" : "";
    notes += name + ago + ": " + error + "\n";
  }
  for (const Json& library : reader.at("pinned_libraries")) notes += name + ": " + exact_text(library) + "\n";
  return notes;
}

std::string readers_text(const Json& list) {
  TextTable table({{"READER"},
                   {"PLUGIN"},
                   {"STATE"},
                   {"GEN", Align::right},
                   {"VERSION", Align::right},
                   {"LAG", Align::right},
                   {"BEHIND", Align::right},
                   {"P50", Align::right},
                   {"P99", Align::right},
                   {"MAX", Align::right},
                   {"CPU", Align::right},
                   {"RETAINS", Align::right},
                   {"RESTARTS", Align::right}});
  std::string notes;
  const auto published = list.at("published_version").get<std::uint64_t>();
  for (const Json& reader : list.at("readers")) {
    table.add_row(
        {exact_text(reader.at("name")),
         exact_text(reader.at("plugin")) + " " + exact_text(reader.at("plugin_version")), state_text(reader),
         exact_text(reader.at("generation")), grouped_text(reader.at("version").get<std::uint64_t>()),
         lag_text(published, reader), duration_text(reader.at("lag_ns")),
         duration_text(reader.at("callback_p50_ns")), duration_text(reader.at("callback_p99_ns")),
         duration_text(reader.at("callback_max_ns")), duration_text(reader.at("cpu_ns")),
         format_size(reader.at("retained_bytes").get<std::uint64_t>()), exact_text(reader.at("restarts"))});
    notes += notes_text(reader);
  }
  if (table.empty())
    return "no readers; run one with perch load FILE, or drop its .so into the host's folder\n";
  return table.text() + (notes.empty() ? "" : "\n" + notes);
}

Outcome<int> readers(const Context& context) {
  const auto list = context.call("reader.list", Json::object());
  if (!list) return end_with(list.error());
  if (context.json) {
    print(*list);
  } else {
    print(readers_text(*list));
  }
  return exit_done;
}

/// Calls a method that answers with the reader's status, and says what became of it.
Outcome<int> change(const Context& context, const std::string& method, const Json& params) {
  const auto result = context.call(method, params);
  if (!result) return end_with(result.error());
  if (context.json) {
    print(*result);
    return exit_done;
  }
  const Json& reader = result->at("reader");
  print(exact_text(reader.at("name")) + ": " + exact_text(reader.at("state")) + ", " +
        exact_text(reader.at("plugin")) + " " + exact_text(reader.at("plugin_version")) + ", generation " +
        exact_text(reader.at("generation")) + "\n");
  return exit_done;
}

/// JSON text, or @FILE for a file with it.
Outcome<Json> config_from(const std::string& argument) {
  const auto text = text_of_argument(argument);
  if (!text) return end_with(exit_usage, "cannot read the config file " + argument.substr(1));
  try {
    return Json::parse(*text);
  } catch (const Json::parse_error& error) {
    return end_with(exit_usage, std::string("the config is no JSON: ") + error.what());
  }
}

struct LoadOptions {
  std::string file, name, config;
  bool no_trial = false;
};

Outcome<int> load(const Context& context, const LoadOptions& options) {
  Json params{{"file", absolute_path(options.file)}};
  if (!options.name.empty()) params["name"] = options.name;
  if (!options.config.empty()) {
    auto config = config_from(options.config);
    if (!config) return end_with(config.error());
    params["config"] = std::move(*config);
  }
  if (options.no_trial) params["no_trial"] = true;
  return change(context, "reader.load", params);
}

struct SwapOptions {
  std::string name, file;
  std::optional<std::string> probation;
  bool without_state = false;
  bool no_trial = false;
  bool dry_run = false;
};

/// The probation that will count: the one given, or the host's.
Outcome<std::chrono::nanoseconds> probation_of(const std::optional<std::string>& given, Client& client,
                                               Deadline deadline) {
  if (given) return *parse_duration(*given);
  const auto status = client.call("host.status", Json::object(), deadline);
  if (!status) return end_with(status.error());
  return std::chrono::nanoseconds(status->at("probation_ns").get<std::int64_t>());
}

/// A step as it is done, or the beginning of the probation.
void print_progress(const Json& notification, std::chrono::nanoseconds probation) {
  if (notification.at("method") != "event") return;
  const Json& event = notification.at("params");
  const Json& data = event.at("data");
  if (event.at("kind") == "reader.step") {
    std::printf("%9s  %s\n", duration_text(data.at("took_ns")).c_str(), exact_text(data.at("step")).c_str());
  } else if (probation.count() > 0) {
    const std::string name = exact_text(event.at("reader"));
    std::printf("           on probation for %s; `perch accept %s` or `perch rollback %s` ends it at once\n",
                format_duration(probation).c_str(), name.c_str(), name.c_str());
  }
  std::fflush(stdout);
}

/// Calls a method that answers with a swap's report when its probation is over; for people, its steps are
/// printed as they are done.
Outcome<Json> call_with_progress(const Context& context, Client& client, const std::string& method,
                                 Json params, const std::optional<std::string>& given) {
  if (given) params["probation"] = *given;
  const auto probation = probation_of(given, client, context.deadline());
  if (!probation) return end_with(probation.error());
  std::function<void(const Json&)> progress;
  if (!context.json) {
    const Json wanted{{"kinds", {"reader.step", "reader.swapped", "reader.configured"}},
                      {"reader", params.at("name")}};
    const auto subscribed = client.call("events.subscribe", wanted, context.deadline());
    if (!subscribed) return end_with(subscribed.error());
    progress = [shown = *probation](const Json& notification) { print_progress(notification, shown); };
  }
  return client.call(method, params, context.deadline(*probation + swap_margin), progress);
}

/// What became of it, below the steps.
void print_report(const Context& context, const Json& report, const std::string& done) {
  if (context.json) return print(report);
  std::string text =
      exact_text(report.at("reader")) + ": " + done + ", generation " + exact_text(report.at("generation"));
  const auto version = report.at("at_version").get<std::uint64_t>();
  if (version > 0) text += ", state as of version " + std::to_string(version);
  for (const char* const note : {"remark", "left"}) {
    if (const std::string more = exact_text(report.at(note)); !more.empty()) text += "\n  " + more;
  }
  print(text + "\n");
}

Outcome<int> swap(const Context& context, const SwapOptions& options) {
  Json params{{"name", options.name}};
  if (!options.file.empty()) params["file"] = absolute_path(options.file);
  if (options.without_state) params["without_state"] = true;
  if (options.no_trial) params["no_trial"] = true;
  if (options.dry_run) params["dry_run"] = true;
  auto client = Client::connect(context.socket, context.deadline());
  if (!client) return end_with(client.error());
  const std::optional<std::string> no_probation = "0";
  const bool has_probation = !options.without_state && !options.dry_run;
  const auto report = call_with_progress(context, *client, "reader.swap", params,
                                         has_probation ? options.probation : no_probation);
  if (!report) return end_with(report.error());
  const std::string versions =
      exact_text(report->at("from_version")) + " -> " + exact_text(report->at("to_version"));
  print_report(
      context, *report,
      options.dry_run ? "dry run, nothing was changed; " + versions + " would work" : "swapped, " + versions);
  return exit_done;
}

struct ConfigureOptions {
  std::string name, config;
  std::vector<std::string> members;  ///< KEY=VALUE
  std::optional<std::string> probation;
};

/// KEY=VALUE: JSON where the value is that, else a string.
Outcome<void> set_member(Json& config, const std::string& argument) {
  const std::size_t equals = argument.find('=');
  if (equals == std::string::npos || equals == 0) {
    return end_with(exit_usage, "\"" + argument + "\" is no KEY=VALUE, such as every=5s");
  }
  const std::string text = argument.substr(equals + 1);
  Json value = Json::parse(text, nullptr, false);
  config[argument.substr(0, equals)] = value.is_discarded() ? Json(text) : std::move(value);
  return {};
}

Outcome<Json> running_config(Client& client, const std::string& name, Deadline deadline) {
  const auto list = client.call("reader.list", Json::object(), deadline);
  if (!list) return end_with(list.error());
  for (const Json& reader : list->at("readers")) {
    if (reader.at("name") == name) return reader.at("config");
  }
  return Json::object();  // the host will say that there is no such reader, and which one may be meant
}

/// The whole config that is to be: the one given, or the running one with some members set.
Outcome<Json> wanted_config(const Context& context, Client& client, const ConfigureOptions& options) {
  if (!options.config.empty()) return config_from(options.config);
  auto config = running_config(client, options.name, context.deadline());
  if (!config) return end_with(config.error());
  for (const std::string& member : options.members) {
    if (const auto set = set_member(*config, member); !set) return end_with(set.error());
  }
  return config;
}

Outcome<int> configure(const Context& context, const ConfigureOptions& options) {
  if (options.config.empty() && options.members.empty()) {
    return end_with(exit_usage, "configure needs the whole config (--config), or members to set (KEY=VALUE)");
  }
  auto client = Client::connect(context.socket, context.deadline());
  if (!client) return end_with(client.error());
  const auto config = wanted_config(context, *client, options);
  if (!config) return end_with(config.error());
  const Json params{{"name", options.name}, {"config", *config}};
  const auto report = call_with_progress(context, *client, "reader.configure", params, options.probation);
  if (!report) return end_with(report.error());
  print_report(context, *report, "configured with " + exact_text(*config));
  return exit_done;
}

Outcome<int> unload(const Context& context, const std::string& name) {
  const auto result = context.call("reader.unload", {{"name", name}});
  if (!result) return end_with(result.error());
  if (context.json) {
    print(*result);
  } else {
    const std::string left = exact_text(result->at("left"));
    print(name + ": unloaded" + (left.empty() ? "" : ", but " + left) + "\n");
  }
  return exit_done;
}

void add_load(CLI::App& app, Context& context) {
  CLI::App* command =
      add_command(app, "load", "Run a plugin file as a reader",
                  "perch load build/release/plugins/vwap.so --name slow --config '{\"window\":\"1h\"}'");
  const auto options = std::make_shared<LoadOptions>();
  command->add_option("FILE", options->file, "The plugin's .so")->required();
  command->add_option("--name", options->name, "The reader's name; the plugin's id otherwise");
  command->add_option("--config", options->config, "JSON, or @FILE with JSON");
  command->add_flag("--no-trial", options->no_trial,
                    "Load it into the host without trying it in a process of its own first");
  command->callback(
      [&context, options] { context.run = [&context, options] { return load(context, *options); }; });
}

void add_swap(CLI::App& app, Context& context) {
  CLI::App* command =
      add_command(app, "swap", "Replace a reader by a new build, its state handed over, no commit missed",
                  "perch swap vwap build/release/plugins/vwap.so --probation 2s\n"
                  "  perch swap vwap --dry-run            what would happen\n"
                  "  perch swap vwap --without-state      give up a reader that hangs");
  const auto options = std::make_shared<SwapOptions>();
  command->add_option("NAME", options->name, "The reader")->required();
  command->add_option("FILE", options->file, "The new .so; the file that it was loaded from otherwise");
  command
      ->add_option("--probation", options->probation,
                   "How long it must run without a fault, at most 1h; the host's config otherwise")
      ->check(duration_validator(probation_max));
  command->add_flag("--no-trial", options->no_trial,
                    "Load it into the host without trying it in a process of its own first");
  command->add_flag("--without-state", options->without_state,
                    "Start the new one from the first row; the old one is neither asked for its state nor "
                    "waited for, and there is no probation");
  command->add_flag("--dry-run", options->dry_run,
                    "Load and create the new one, let it restore a state saved now, and change nothing");
  command->callback(
      [&context, options] { context.run = [&context, options] { return swap(context, *options); }; });
}

void add_configure(CLI::App& app, Context& context) {
  CLI::App* command = add_command(
      app, "configure", "Give a running reader another config, its state handed over, no commit missed",
      "perch configure vwap every=5s\n  perch configure vwap --config '{\"every\":\"5s\"}' --probation 2s");
  const auto options = std::make_shared<ConfigureOptions>();
  command->add_option("NAME", options->name, "The reader")->required();
  CLI::Option* members =
      command->add_option("KEY=VALUE", options->members,
                          "Members to set in the running config; a VALUE that is no JSON is a string");
  command->add_option("--config", options->config, "The whole config instead: JSON, or @FILE with JSON")
      ->excludes(members);
  command
      ->add_option("--probation", options->probation,
                   "How long it must run without a fault, at most 1h; the host's config otherwise")
      ->check(duration_validator(probation_max));
  command->callback(
      [&context, options] { context.run = [&context, options] { return configure(context, *options); }; });
}

/// A command whose one argument is the reader.
void add_named(CLI::App& app, Context& context, const std::string& command_name,
               const std::string& description, Outcome<int> (*run)(const Context&, const std::string&)) {
  CLI::App* command = add_command(app, command_name, description, "perch " + command_name + " vwap");
  const auto name = std::make_shared<std::string>();
  command->add_option("NAME", *name, "The reader")->required();
  command->callback(
      [&context, name, run] { context.run = [&context, name, run] { return run(context, *name); }; });
}

}  // namespace

void add_reader_commands(CLI::App& app, Context& context) {
  add_command(
      app, "readers",
      "Every reader: state, generation, how far behind, times of its callbacks, CPU, memory, last error",
      "perch readers")
      ->callback([&context] { context.run = [&context] { return readers(context); }; });
  add_load(app, context);
  add_swap(app, context);
  add_configure(app, context);
  add_named(app, context, "accept", "End a probation: the new generation stays",
            [](const Context& c, const std::string& name) {
              return change(c, "reader.accept", {{"name", name}});
            });
  add_named(app, context, "rollback", "End a probation: the old generation goes on",
            [](const Context& c, const std::string& name) {
              return change(c, "reader.rollback", {{"name", name}});
            });
  add_named(app, context, "disable", "Stop a reader until it is enabled, also when the host starts again",
            [](const Context& c, const std::string& name) {
              return change(c, "reader.disable", {{"name", name}});
            });
  add_named(app, context, "enable", "Start a reader that is disabled, quarantined or failed",
            [](const Context& c, const std::string& name) {
              return change(c, "reader.enable", {{"name", name}});
            });
  add_named(app, context, "unload", "Stop a reader and unload its plugin", unload);
}

}  // namespace perch::cli
