// perch check: the validator of plugins. Needs no host; everything of the plugin runs in child processes.
#include <unistd.h>

#include <csignal>
#include <memory>

#include "base/units.hpp"
#include "check/checker.hpp"
#include "check/child_check.hpp"
#include "check/report_text.hpp"
#include "cli/commands.hpp"
#include "cli/text_argument.hpp"

namespace perch::cli {
namespace {

constexpr std::chrono::nanoseconds deadline_max = std::chrono::hours(1);
constexpr std::uint64_t rows_max = 100'000;

struct CheckArguments {
  check::CheckOptions options;
  std::string file;
  std::string config;  ///< JSON, or @FILE
  std::string deadline = "10s";
  std::vector<std::string> only;
  bool is_strict = false;
};

/// The text of --config: itself, or what is in the file. Errors: not to be read, no JSON object.
Result<std::string> config_text(const std::string& argument) {
  auto text = text_of_argument(argument);
  if (!text) return fail_errno(argument.substr(1));
  if (!Json::parse(*text, nullptr, false).is_object()) {
    return fail(ErrorKind::usage, "--config must be a JSON object, or @FILE with one");
  }
  return std::move(*text);
}

volatile std::sig_atomic_t is_stopped = 0;

/// Ctrl-C ends the check as a failure would, so that children and copies go.
void stop_on_signals() {
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) std::signal(number, [](int) { is_stopped = 1; });
}

/// On a terminal the check that runs is shown until its line takes the place.
check::CheckProgress show_progress(const Context& context) {
  check::CheckProgress progress;
  progress.is_stopped = [] { return is_stopped != 0; };
  if (context.json) return progress;
  const bool is_terminal = ::isatty(STDOUT_FILENO) == 1;
  if (is_terminal) {
    progress.begins = [](const check::Check& check) { print(std::string("  ....  ") + check.name + "\r"); };
  }
  progress.ended = [](const check::CheckResult& result) { print(check::result_text(result)); };
  return progress;
}

check::Verdict verdict_of(const check::CheckSummary& summary, bool is_strict) {
  const auto weight = is_strict ? check::Verdict::warn : check::Verdict::fail;
  if (summary.count(check::Verdict::fail) > 0 || summary.count(weight) > 0) return check::Verdict::fail;
  return summary.count(check::Verdict::warn) > 0 ? check::Verdict::warn : check::Verdict::pass;
}

Outcome<int> run_check(const Context& context, CheckArguments& arguments) {
  check::CheckOptions& options = arguments.options;
  options.file = absolute_path(arguments.file);
  options.deadline = *parse_duration(arguments.deadline);
  if (!arguments.config.empty()) {
    auto config = config_text(arguments.config);
    if (!config) return end_with(config.error());
    options.config = std::move(*config);
  }
  stop_on_signals();
  const auto summary = check::check_plugin(options, arguments.only, {"/proc/self/exe", "check-in-child"},
                                           show_progress(context));
  if (!summary) return tl::make_unexpected(Failure{exit_failed, summary.error()});
  const check::Verdict verdict = verdict_of(*summary, arguments.is_strict);
  print(context.json ? check::summary_json(*summary, options, verdict).dump() + "\n"
                     : "\n" + check::summary_text(*summary));
  if (!summary->is_plugin) return exit_incompatible;
  return verdict == check::Verdict::fail ? exit_failed : exit_done;
}

CLI::Validator name_validator() {
  return CLI::Validator(
      [](const std::string& name) {
        if (check::find_check(name) != nullptr) return std::string();
        std::string names;
        for (const check::Check& check : check::all_checks())
          names += (names.empty() ? "" : " ") + std::string(check.name);
        return "there is no check \"" + name + "\"; there are: " + names;
      },
      "CHECK");
}

/// What the children of `perch check` run as.
void add_child_command(CLI::App& app, Context& context) {
  CLI::App* command = app.add_subcommand("check-in-child", "")->group("");
  const auto argument = std::make_shared<std::string>();
  command->add_option("WHAT", *argument)->required();
  command->callback([&context, argument] {
    context.run = [argument]() -> Outcome<int> { return check::run_in_child(*argument); };
  });
}

}  // namespace

void add_check_command(CLI::App& app, Context& context) {
  CLI::App* command = add_command(app, "check",
                                  "Validates a plugin: loads it, calls it in every legal order, and hands it "
                                  "odd rows, states and configs, in "
                                  "child processes; no host needed. Exit code: 0 good (warnings allowed), 1 "
                                  "failed, 4 no plugin for this host",
                                  "perch check build/release/plugins/vwap.so --config '{\"every\": \"0\"}'");
  const auto arguments = std::make_shared<CheckArguments>();
  command->add_option("FILE", arguments->file, "The plugin's .so")->required();
  command->add_option("--config", arguments->config,
                      "The reader's config, JSON or @FILE; else {}, or one that its schema allows");
  command->add_option("--rows", arguments->options.rows, "How many rows each table gets")
      ->check(CLI::Range(std::uint64_t{1}, rows_max, "1 to 100000"))
      ->capture_default_str();
  command
      ->add_option("--seed", arguments->options.seed, "The same seed gives the same rows, states and configs")
      ->capture_default_str();
  command->add_option("--deadline", arguments->deadline, "For each check")
      ->check(duration_validator(deadline_max))
      ->capture_default_str();
  command->add_option("--only", arguments->only, "Only these checks, and the manifest")
      ->check(name_validator());
  command->add_flag("--strict", arguments->is_strict, "Warnings fail too");
  command->callback([&context, arguments] {
    context.run = [&context, arguments] { return run_check(context, *arguments); };
  });
  add_child_command(app, context);
}

}  // namespace perch::cli
