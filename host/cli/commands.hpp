// The subcommands of `perch`. Each add_… function tells CLI11 of its commands; the one that is used leaves
// behind in `Context::run` what to do.
#pragma once

#include <CLI/CLI.hpp>
#include <chrono>
#include <functional>
#include <optional>
#include <string>

#include "cli/outcome.hpp"

namespace perch::cli {

/// The options that all commands share, and the command that was chosen.
struct Context {
  std::string socket = "run/perch.sock";
  bool json = false;
  std::optional<std::string> timeout;  ///< a valid duration
  std::function<Outcome<int>()> run;   ///< gives the exit code

  /// From now on; `otherwise` when --timeout was not given.
  Deadline deadline(std::chrono::nanoseconds otherwise = std::chrono::seconds(30)) const;
  /// Connects, calls one method and gives its result.
  Outcome<Json> call(const std::string& method, const Json& params) const;
};

void add_status_command(CLI::App& app, Context& context);
void add_reader_commands(CLI::App& app,
                         Context& context);  ///< readers load swap configure accept rollback unload
void add_inspect_command(CLI::App& app, Context& context);
void add_check_command(CLI::App& app, Context& context);
void add_check_tree_command(CLI::App& app, Context& context);
void add_new_command(CLI::App& app, Context& context);
void add_table_commands(CLI::App& app, Context& context);  ///< sources tables layout
void add_row_commands(CLI::App& app, Context& context);    ///< get scan
void add_tail_command(CLI::App& app, Context& context);
void add_top_command(CLI::App& app, Context& context);
void add_reload_command(CLI::App& app, Context& context);

/// A subcommand that takes the shared options too, with its example in the help.
CLI::App* add_command(CLI::App& app, const std::string& name, const std::string& description,
                      const std::string& example);

/// Durations such as 5s, up to `max`; CLI11 shows the message.
CLI::Validator duration_validator(std::chrono::nanoseconds max = std::chrono::nanoseconds::max());

/// Whole numbers of 1 or more; CLI11's own says its range with 300 digits.
CLI::Validator count_validator();

/// The absolute path of a FILE argument: the host has another working folder.
std::string absolute_path(const std::string& file);

/// Standard output; one line of JSON, or text as it is.
void print(const Json& json);
void print(const std::string& text);

}  // namespace perch::cli
