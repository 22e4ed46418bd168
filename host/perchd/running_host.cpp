#include "perchd/running_host.hpp"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <future>
#include <thread>

#include "base/log.hpp"
#include "base/units.hpp"
#include "perchd/reload.hpp"
#include "readers/instance_check.hpp"

namespace perch {
namespace {

using namespace std::chrono_literals;

constexpr auto readers_last_look_max = 2s;
constexpr auto readers_no_progress_max = 60s;

/// Whether the reader will still take commits.
bool is_alive(const instances::ReaderStatus& reader) {
  return reader.state == "running" || reader.state == "swapping" || reader.state == "probation" ||
         reader.state == "restarting";
}

std::string join(const std::vector<std::string>& names) {
  std::string text;
  for (const auto& name : names) text += (text.empty() ? "" : ", ") + name;
  return text.empty() ? "none" : text;
}

/// Beside this program; empty when it is not there.
std::filesystem::path worker_program() {
  std::error_code error;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", error).parent_path() / "perch-worker";
  if (::access(program.c_str(), X_OK) == 0) return program;
  spdlog::warn("{} is not there: readers run on threads only, and without a trial", program.string());
  return {};
}

control::RolePolicy role_policy(const ControlSpec& spec) {
  control::RolePolicy policy;
  for (const auto& [name, id] : spec.groups) policy.groups.push_back({name, id});
  policy.others_may_look = spec.others_may_look;
  return policy;
}

}  // namespace

Result<std::unique_ptr<RunningHost>> RunningHost::start(Config config,
                                                        std::function<Result<Config>()> read_again) {
  auto catalog = tables::Catalog::make(config.tables);
  if (!catalog) return fail(catalog.error());
  auto store = tree::Store::create(config.store);
  if (!store) return fail(store.error());
  std::unique_ptr<RunningHost> host(
      new RunningHost(std::move(config), std::move(*catalog), std::move(*store)));
  host->read_again_ = std::move(read_again);
  if (auto started = host->start_parts(); !started) return fail(started.error());
  host->log_started();
  return host;
}

RunningHost::RunningHost(Config config, tables::Catalog catalog, std::unique_ptr<tree::Store> store)
    : config_(std::move(config)),
      catalog_(std::move(catalog)),
      store_(std::move(store)),
      processes_(store_->reads(), events_, [this] { return store_->open_read_only(); }) {
  config_.readers.workers.program = worker_program();
  readers_ = std::make_unique<readers::ReaderManager>(
      config_.readers, catalog_, store_->reads(), events_, [this] { return store_->retained_versions(); },
      &processes_);
  ingest_ = std::make_unique<ingest::Ingest>(*store_, catalog_, config_.ingest, [this] {
    readers_->drop_checkpoints();  // what they hold is the first thing to do without
    return instances::who_retains(instances::pinned_versions(store_->retained_versions(), readers_->pins()));
  });
  server_ = std::make_unique<control::Server>(
      control::Host{
          config_.name, PERCH_VERSION, unix_now_ns(), catalog_, *store_, *ingest_, *readers_, events_,
          config_.readers.probation,
          [this](std::function<void(Result<control::ReloadReport>)> done) { reload(std::move(done)); },
          &processes_},
      control::ServerSpec{config_.control.socket, config_.control.mode, role_policy(config_.control)});
}

RunningHost::~RunningHost() {
  if (running_) stop();
}

Result<void> RunningHost::start_parts() {
  // First, so that no plugin's code runs in a host that cannot be reached.
  if (auto opened = server_->open(); !opened) return opened;
  {
    const std::lock_guard lock(reload_mutex_);
    running_ = true;
  }
  if (auto started = readers_->start(); !started) return started;
  if (auto started = ingest_->start(); !started) return started;
  return server_->start();
}

void RunningHost::log_started() const {
  std::vector<std::string> tables, sources, running, others;
  for (const auto& table : catalog_.tables()) tables.push_back(table->name());
  for (const auto& source : config_.ingest.sources) sources.push_back(source.name);
  for (const auto& reader : readers_->readers()) {
    if (is_alive(reader)) {
      running.push_back(reader.name + " " + reader.plugin_version);
    } else {
      others.push_back(reader.name + " (" + reader.state + ")");
    }
  }
  spdlog::info("{} {} listens on {}; tables: {}; sources: {}; readers: {}{}", config_.name, PERCH_VERSION,
               config_.control.socket.string(), join(tables), join(sources), join(running),
               others.empty() ? "" : "; not running: " + join(others));
}

bool RunningHost::readers_caught_up() const {
  const tree::Version last = store_->reads().published_version();
  const auto readers = readers_->readers();
  return std::all_of(readers.begin(), readers.end(), [last](const instances::ReaderStatus& reader) {
    return !is_alive(reader) || reader.version >= last;
  });
}

bool RunningHost::finished() {
  if (!ingest_->finished()) return false;
  if (readers_caught_up()) return true;
  std::uint64_t progress = 0;
  for (const auto& reader : readers_->readers()) progress += reader.version;
  const auto now = std::chrono::steady_clock::now();
  if (progress != progress_) {
    progress_ = progress;
    progress_at_ = now;
  }
  return now - progress_at_ > readers_no_progress_max;
}

void RunningHost::reload(std::function<void(Result<control::ReloadReport>)> done) {
  Error refused{ErrorKind::refused, "a reload is under way, or the host stops: try again", {}};
  {
    const std::lock_guard lock(reload_mutex_);
    if (running_ && !is_reloading_) {
      reload_thread_.join();  // the last one's, which is over
      auto started = reload_thread_.start("reload", [this, done] {
        auto report = reload_now();
        {
          const std::lock_guard ended(reload_mutex_);
          is_reloading_ = false;
        }
        done(std::move(report));
      });
      is_reloading_ = started.has_value();  // its thread waits for the mutex before it says otherwise
      if (started) return;
      refused = std::move(started.error());
      refused.message += "; nothing was changed";
    }
  }
  done(fail(std::move(refused)));
}

Result<control::ReloadReport> RunningHost::reload_now() {
  if (!read_again_) return fail(ErrorKind::refused, "this host has no config file to reload");
  auto wanted = read_again_();
  if (!wanted) return fail(std::move(wanted.error()));
  auto plan = plan_reload(config_, *wanted, catalog_);
  if (!plan) return fail(std::move(plan.error()));
  const readers::InstanceCheck instances = readers::check_instances(wanted->readers);
  if (!instances.errors.empty()) {
    return fail(ErrorKind::usage, "readers that would not start, nothing was changed", instances.errors);
  }
  if (auto changed = ingest_->change(plan->ingest); !changed) {
    changed.error().message += "; nothing was changed";
    return fail(std::move(changed.error()));
  }
  control::ReloadReport report;
  for (const auto& table : plan->ingest.add_tables) report.added_tables.push_back(table->name());
  report.added_sources = plan->sources.added;
  report.removed_sources = plan->sources.removed;
  report.changed_sources = plan->sources.changed;
  report.added_readers = plan->readers.added;
  report.removed_readers = plan->readers.removed;
  report.changed_readers = plan->readers.changed;
  if (plan->changes_commit) report.other.emplace_back("commit");
  if (plan->changes_log_level) {
    report.other.emplace_back("log.level");
    static_cast<void>(log::set_level(wanted->log_level));  // the config's reader knows the levels
  }
  if (plan->readers.any()) {
    auto problems = set_instances(wanted->readers.instances);
    report.problems = problems ? std::move(*problems) : std::vector{problems.error().message};
  }
  config_ = std::move(*wanted);
  spdlog::info("reloaded: tables +{}; sources +{} -{} changed {}; readers +{} -{} changed {}{}",
               report.added_tables.size(), report.added_sources.size(), report.removed_sources.size(),
               report.changed_sources.size(), report.added_readers.size(), report.removed_readers.size(),
               report.changed_readers.size(), report.problems.empty() ? "" : "; with problems");
  for (const std::string& problem : report.problems) spdlog::warn("reload: {}", problem);
  return report;
}

/// Waits for the readers' manager, which answers each request within its own bounds.
Result<std::vector<std::string>> RunningHost::set_instances(
    const std::vector<readers::InstanceSpec>& instances) {
  std::promise<Result<std::vector<std::string>>> promise;
  auto over = promise.get_future();
  readers_->set_instances(instances,
                          [&](Result<std::vector<std::string>> done) { promise.set_value(std::move(done)); });
  return over.get();
}

HostSummary RunningHost::stop() {
  {
    const std::lock_guard lock(reload_mutex_);
    running_ = false;  // no reload begins any more
  }
  reload_thread_.join();
  server_->stop();
  ingest_->stop();
  readers_->catch_up();  // else one with a long interval would sleep through the last commit
  const auto deadline = std::chrono::steady_clock::now() + readers_last_look_max;
  while (!readers_caught_up() && std::chrono::steady_clock::now() < deadline)
    std::this_thread::sleep_for(2ms);

  HostSummary summary;
  const auto readers = readers_->readers();
  summary.readers = static_cast<std::size_t>(std::count_if(readers.begin(), readers.end(), is_alive));
  summary.rows = ingest_->commits().rows;
  summary.commits = store_->reads().published_version();
  for (const auto& source : ingest_->sources()) summary.rejects += source.rejects;
  readers_->stop();
  summary.left_threads_behind = readers_->left_threads_behind();
  return summary;
}

}  // namespace perch
