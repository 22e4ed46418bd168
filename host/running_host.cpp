#include "running_host.hpp"

#include <algorithm>
#include <thread>

#include "base/log.hpp"
#include "base/units.hpp"

namespace perch {
namespace {

using namespace std::chrono_literals;

constexpr auto readers_last_look_max = 2s;
constexpr auto readers_no_progress_max = 60s;

/// Whether the reader will still take commits.
bool is_alive(const readers::ReaderStatus& reader) {
  return reader.state == "running" || reader.state == "swapping" || reader.state == "probation" ||
         reader.state == "restarting";
}

std::string join(const std::vector<std::string>& names) {
  std::string text;
  for (const auto& name : names) text += (text.empty() ? "" : ", ") + name;
  return text.empty() ? "none" : text;
}

control::RolePolicy role_policy(const ControlSpec& spec) {
  control::RolePolicy policy;
  for (const auto& [name, id] : spec.groups) policy.groups.push_back({name, id});
  policy.others_may_look = spec.others_may_look;
  return policy;
}

}  // namespace

Result<std::unique_ptr<RunningHost>> RunningHost::start(Config config) {
  auto catalog = tables::Catalog::make(config.tables);
  if (!catalog) return fail(catalog.error());
  auto store = tree::Store::create(config.store);
  if (!store) return fail(store.error());
  std::unique_ptr<RunningHost> host(
      new RunningHost(std::move(config), std::move(*catalog), std::move(*store)));
  if (auto started = host->start_parts(); !started) return fail(started.error());
  host->log_started();
  return host;
}

RunningHost::RunningHost(Config config, tables::Catalog catalog, std::unique_ptr<tree::Store> store)
    : config_(std::move(config)), catalog_(std::move(catalog)), store_(std::move(store)) {
  readers_ = std::make_unique<readers::ReaderManager>(config_.readers, catalog_, store_->reads(), events_,
                                                      [this] { return store_->retained_versions(); });
  ingest_ = std::make_unique<ingest::Ingest>(*store_, catalog_, config_.ingest, [this] {
    readers_->drop_checkpoints();  // what they hold is the first thing to do without
    return readers::who_retains(readers::pinned_versions(store_->retained_versions(), readers_->pins()));
  });
  server_ = std::make_unique<control::Server>(
      control::Host{config_.name, PERCH_VERSION, unix_now_ns(), catalog_, *store_, *ingest_, *readers_,
                    events_, config_.readers.probation},
      control::ServerSpec{config_.control.socket, config_.control.mode, role_policy(config_.control)});
}

RunningHost::~RunningHost() {
  if (running_) stop();
}

Result<void> RunningHost::start_parts() {
  // First, so that no plugin's code runs in a host that cannot be reached.
  if (auto opened = server_->open(); !opened) return opened;
  running_ = true;
  if (auto started = readers_->start(); !started) return started;
  if (auto started = ingest_->start(); !started) return started;
  server_->start();
  return {};
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
  return std::all_of(readers.begin(), readers.end(), [last](const readers::ReaderStatus& reader) {
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

HostSummary RunningHost::stop() {
  running_ = false;
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
