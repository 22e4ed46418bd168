// perchd: the host process. Options, signals and exit statuses; what runs is in running_host.hpp.
//
// Exit statuses: 0 stopped as asked, 1 could not start, or a reader could not be stopped, 2 bad options or
// config, 130 cut short by a second Ctrl-C.
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string_view>

#include "base/log.hpp"
#include "config/config.hpp"
#include "perchd/run_folder.hpp"
#include "perchd/running_host.hpp"
#include "readers/instance_check.hpp"

namespace perch {
namespace {

constexpr int exit_failed = 1;
constexpr int exit_usage = 2;
constexpr int exit_interrupted = 130;
constexpr unsigned stop_seconds_max = 60;

struct Options {
  std::string config;
  bool check = false;
  bool exit_when_finished = false;
};

sigset_t stop_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGHUP);
  return set;
}

/// Before any thread starts, so that all inherit the mask: only the main thread, in wait_for_stop, takes the
/// signals.
void prepare_signals() {
  // A shell ignores SIGINT for what it starts in the background, and an ignored signal cannot be waited for.
  ::signal(SIGINT, SIG_DFL);
  ::signal(SIGTERM, SIG_DFL);
  ::signal(SIGHUP, SIG_DFL);   // nohup ignores it; here it means reload
  ::signal(SIGPIPE, SIG_IGN);  // a peer that went away is an error of write, not the end of the host
  const sigset_t set = stop_signals();
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

/// Else the host's own files would take these numbers, and what is written to the output, here and in
/// workers, would be written into them.
void open_missing_standard_descriptors() {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
    // The lowest number that is free is `fd`: all below it are open.
    if (::fcntl(fd, F_GETFD) < 0) static_cast<void>(::open("/dev/null", O_RDWR));
  }
}

void reload(RunningHost& host) {
  spdlog::info("reloading (SIGHUP)");
  host.reload([](const Result<control::ReloadReport>& done) {
    if (done) return;  // it has told
    spdlog::error("not reloaded: {}", done.error().message);
    for (const auto& detail : done.error().details) spdlog::error("not reloaded: {}", detail);
  });
}

/// Returns when a stop signal came or, if that is asked for, when the host has finished.
void wait_for_stop(RunningHost& host, bool exit_when_finished) {
  const sigset_t set = stop_signals();
  const timespec look_again{0, 20'000'000};
  for (;;) {
    const int signal = ::sigtimedwait(&set, nullptr, exit_when_finished ? &look_again : nullptr);
    if (signal == SIGHUP) {
      reload(host);
      continue;
    }
    if (signal > 0) {
      spdlog::info("stopping ({})", signal == SIGINT ? "SIGINT" : "SIGTERM");
      return;
    }
    if (exit_when_finished && host.finished()) {
      spdlog::info("stopping (all sources have ended)");
      return;
    }
  }
}

void write_and_exit(std::string_view text, int status) {
  // A failed write changes nothing: the status tells the same.
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, text.data(), text.size());
  ::_exit(status);
}
void on_second_interrupt(int) {
  write_and_exit("perchd: interrupted again, not waiting any longer\n", exit_interrupted);
}
void on_stop_too_long(int) {
  write_and_exit("perchd: the stop takes over a minute, ending without it\n", exit_failed);
}

/// From here on a stop that hangs in a reader's code can be cut short: by the user at once, by itself in a
/// minute.
void bound_the_stop() {
  ::signal(SIGINT, on_second_interrupt);
  ::signal(SIGALRM, on_stop_too_long);
  ::alarm(stop_seconds_max);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  ::pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

int report(const Error& error, int status) {
  log::stop();  // what was logged before comes first
  std::fprintf(stderr, "perchd: %s\n", error.message.c_str());
  for (const auto& detail : error.details) std::fprintf(stderr, "  %s\n", detail.c_str());
  return status;
}

/// A reader may have left handlers for exit(3) in code that is gone. (Sanitizers have theirs for a reason.)
void end_without_exit_handlers() {
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  std::fflush(nullptr);
  std::_Exit(0);
#endif
}

void warn_of_endless_sources(const Config& config) {
  for (const auto& source : config.ingest.sources) {
    const bool restarts = source.type == ingest::SourceType::exec && source.restart;
    if (restarts || source.follow)
      spdlog::warn("source {} never ends for good: neither will this host", source.name);
  }
}

int run(Config config, const Options& options, const std::function<Result<Config>()>& read_again) {
  const auto folder = RunFolder::take(config.run_dir);
  if (!folder) return report(folder.error(), exit_failed);
  if (const auto started = log::start(config.log_level); !started)
    return report(started.error(), exit_failed);
  if (options.exit_when_finished) warn_of_endless_sources(config);
  auto host = RunningHost::start(std::move(config), read_again);
  if (!host) return report(host.error(), exit_failed);

  wait_for_stop(**host, options.exit_when_finished);
  bound_the_stop();
  const HostSummary done = (*host)->stop();
  spdlog::info("stopped: {} rows in {} commits, {} rejects, {} readers", done.rows, done.commits,
               done.rejects, done.readers);
  if (done.left_threads_behind) {
    spdlog::error("a reader hangs in its own code: ended without it");
    log::stop();
    std::_Exit(exit_failed);  // nothing is destroyed under that thread; the kernel frees it all
  }
  host->reset();
  log::stop();
  end_without_exit_handlers();
  return 0;
}

/// For people and scripts: `./dev demo` reads it.
int check(const Options& options, const Config& config) {
  const readers::InstanceCheck instances = readers::check_instances(config.readers);
  if (!instances.errors.empty()) {
    return report({ErrorKind::usage, options.config + ": readers that would not start", instances.errors},
                  exit_usage);
  }
  const auto print_names = [](const char* what, const auto& things) {
    std::printf("%-9s", what);
    for (const auto& thing : things) std::printf(" %s", thing.name.c_str());
    std::printf("\n");
  };
  std::printf("config:   %s is good\n", options.config.c_str());
  std::printf("socket:   %s\n", config.control.socket.c_str());
  std::printf("run_dir:  %s\n", config.run_dir.c_str());
  std::printf("plugins:  %s\n", config.readers.folder.c_str());
  print_names("tables:", config.tables);
  print_names("sources:", config.ingest.sources);
  print_names("readers:", config.readers.instances);
  std::fflush(stdout);
  for (const auto& warning : instances.warnings)
    std::fprintf(stderr, "perchd: warning: %s\n", warning.c_str());
  return 0;
}

int main(int argc, char** argv) {
  open_missing_standard_descriptors();
  prepare_signals();
  Options options;
  CLI::App app("perchd: takes in a stream, keeps it in a live tree, and runs readers on it");
  app.set_version_flag("--version", "perchd " PERCH_VERSION);
  app.add_option("--config", options.config, "The config file (JSON; config/perch.schema.json describes it)")
      ->required();
  app.add_flag("--check", options.check,
               "Check the config, and the readers' configs against the plugins in the folder; start nothing: "
               "status 0 if it is good, 2 if not");
  app.add_flag("--exit-when-finished", options.exit_when_finished,
               "Stop when every source has ended for good and readers have seen all rows");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : exit_usage;
  }
  std::error_code ignored;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", ignored);
  // Absolute: a reload may come from anywhere.
  const auto file = std::filesystem::absolute(options.config, ignored);
  const auto read = [&] { return read_config(file, program.parent_path()); };
  auto config = read_config(options.config, program.parent_path());
  if (!config) return report(config.error(), exit_usage);
  return options.check ? check(options, *config) : run(std::move(*config), options, read);
}

}  // namespace
}  // namespace perch

int main(int argc, char** argv) { return perch::main(argc, argv); }
