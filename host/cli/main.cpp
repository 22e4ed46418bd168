// `perch`: asks and directs a running host.
#include <CLI/CLI.hpp>
#include <cstdio>

#include "base/nearest_name.hpp"
#include "cli/commands.hpp"

namespace {

using namespace perch;
using namespace perch::cli;

void add_shared_options(CLI::App& app, Context& context) {
  app.add_option("--socket", context.socket, "The host's control socket")
      ->envname("PERCH_SOCKET")
      ->capture_default_str();
  app.add_flag("--json", context.json, "Print the result as JSON");
  app.add_option("--timeout", context.timeout,
                 "How long to wait for the host; 30s, and for swap and configure the probation on top")
      ->check(duration_validator());
}

/// "perch staus": CLI11 only says that it wants a subcommand.
std::string usage_text(const CLI::App& app, const CLI::ParseError& error) {
  if (!app.get_subcommands().empty()) return error.what();
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands(nullptr)) names.push_back(command->get_name());
  for (const std::string& argument : app.remaining()) {
    if (argument.starts_with("-")) continue;
    const std::string nearest = nearest_name(argument, names);
    const std::string hint = nearest.empty() ? "" : "; did you mean \"perch " + nearest + "\"?";
    return "no command \"" + argument + "\"" + hint;
  }
  return error.what();
}

int end_usage(const CLI::App& app, const CLI::ParseError& error) {
  if (error.get_exit_code() == 0) return app.exit(error);  // --help, --version
  std::fprintf(stderr, "perch: %s\n", usage_text(app, error).c_str());
  std::fprintf(stderr, "  perch --help lists the commands, perch COMMAND --help explains one\n");
  return exit_usage;
}

int end_failed(const Context& context, const Failure& failure) {
  const Error& error = failure.error;
  if (context.json) {
    print(Json{{"error",
                {{"kind", to_string(error.kind)}, {"message", error.message}, {"details", error.details}}}});
  }
  std::fprintf(stderr, "perch: %s\n", error.message.c_str());
  for (const std::string& detail : error.details) std::fprintf(stderr, "  %s\n", detail.c_str());
  return failure.exit_code;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Asks and directs a running Perch host.", "perch");
  app.footer(
      "Exit codes: 0 done, 1 failed, 2 usage, 3 no host there, 4 incompatible, 5 rolled back, 6 timeout.");
  app.set_version_flag("--version", "perch " PERCH_VERSION);
  app.require_subcommand(1);
  Context context;
  add_shared_options(app, context);
  add_status_command(app, context);
  add_reader_commands(app, context);
  add_inspect_command(app, context);
  add_check_command(app, context);
  add_new_command(app, context);
  add_check_tree_command(app, context);
  add_table_commands(app, context);
  add_row_commands(app, context);
  add_tail_command(app, context);
  add_top_command(app, context);
  add_reload_command(app, context);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return end_usage(app, error);
  }
  try {
    const auto outcome = context.run();
    return outcome ? *outcome : end_failed(context, outcome.error());
  } catch (const nlohmann::json::exception& error) {
    // A host of another version may answer in another shape.
    return end_failed(
        context, {exit_failed, {ErrorKind::failed, std::string("unexpected answer: ") + error.what(), {}}});
  }
}
