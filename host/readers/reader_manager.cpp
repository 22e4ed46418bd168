#include "readers/reader_manager.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <deque>
#include <future>
#include <mutex>

#include "base/assert.hpp"
#include "base/joinable_thread.hpp"
#include "base/log.hpp"
#include "base/unique_fd.hpp"
#include "containment/crash_signals.hpp"
#include "containment/interposed_libc.hpp"
#include "instances/reader_processes.hpp"
#include "instances/watchdog.hpp"
#include "plugin/plugin_folder.hpp"
#include "readers/folder_readers.hpp"
#include "readers/lifecycle.hpp"
#include "readers/status_board.hpp"

namespace perch::readers {
namespace {

constexpr std::size_t requests_max = 1024;

/// Made private (0700) and emptied of what a host that died left behind.
Result<void> prepare_private_folder(std::filesystem::path& folder) {
  namespace fs = std::filesystem;
  std::error_code error;
  fs::create_directories(folder, error);
  if (!error) fs::permissions(folder, fs::perms::owner_all, error);
  // The kernel's list of mappings has names without links and dots: see mapped_library.hpp.
  if (!error) folder = fs::canonical(folder, error);
  if (error) return fail("the folder for private copies, " + folder.string() + ": " + error.message());
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    const std::string name = at->path().filename().string();
    if (!name.ends_with(".so") && !name.ends_with(".unfinished")) continue;
    std::error_code
        ignored;  // a file that stays is in nobody's way: names are unique per generation and content
    fs::remove(at->path(), ignored);
  }
  return {};
}

struct InstanceChange {
  std::vector<InstanceSpec> instances;
  Done<std::vector<std::string>> done;
};

tl::unexpected<Error> no_manager() {
  return fail(ErrorKind::exhausted,
              "the host is stopping, or has over 1024 requests for readers waiting; try again");
}

}  // namespace

struct ReaderManager::Parts {
  /// A request. Null: it cannot be carried out, say so.
  using Request = std::function<void(Lifecycle*)>;

  Parts(ReadersSpec given, const tables::Catalog& tables, tree::ReadSide& read_side, instances::EventHub& hub,
        std::function<std::vector<tree::RetainedVersion>()> retained,
        instances::ReaderProcesses* reader_processes)
      : spec(std::move(given)),
        catalog(tables),
        reads(read_side),
        events(hub),
        wake_fd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
        watchdog(
            {spec.callback_deadline, spec.retain_warning_bytes}, events, [this] { return pins(); },
            std::move(retained),
            [this](const std::vector<instances::PinnedVersion>& versions) { enforce(versions); }),
        processes(reader_processes) {}

  void wake() const noexcept {
    const std::uint64_t one = 1;
    static_cast<void>(
        ::write(wake_fd.get(), &one, sizeof one));  // fails only when it is full of wakes already
  }
  void ask(Request request);
  /// Asks for a call of the method with the arguments and, behind them, `done`.
  template <class T, class Method, class... Arguments>
  void ask(Done<T> done, Method method, Arguments... arguments);
  std::vector<instances::PinHolder> pins() const;
  void enforce(const std::vector<instances::PinnedVersion>& versions) const;
  std::deque<Request> take_requests();
  void accept_requests(bool accept);
  void run(DisabledReaders disabled, std::promise<void>& settled);
  std::optional<InstanceChange> take_instances();
  void look_at_folder(FolderReaders& readers, SteadyTime now);
  void wait(std::optional<SteadyTime> until);

  ReadersSpec spec;
  const tables::Catalog& catalog;
  tree::ReadSide& reads;
  instances::EventHub& events;
  const UniqueFd wake_fd;
  StatusBoard board;
  instances::Watchdog watchdog;                 // behind what it looks at
  instances::ReaderProcesses* const processes;  // null: none
  std::optional<plugin::PluginFolder> folder;   // the manager thread's, once it runs
  JoinableThread thread;
  std::atomic<bool> left_threads{false};
  // Relaxed: it carries nothing with it. The manager thread looks at it after each wake; going through the
  // eventfd's lock in the kernel, a wake is seen after the store that was made before it.
  const std::shared_ptr<std::atomic<bool>> catches_up = std::make_shared<std::atomic<bool>>(false);

  std::mutex mutex;  // guards what follows
  std::deque<Request> requests;
  std::optional<InstanceChange> instance_change;
  bool accepts_requests = false;
};

void ReaderManager::Parts::ask(Request request) {
  {
    const std::lock_guard lock(mutex);
    if (accepts_requests && requests.size() < requests_max) {
      requests.push_back(std::move(request));
      wake();
      return;
    }
  }
  request(nullptr);
}

template <class T, class Method, class... Arguments>
void ReaderManager::Parts::ask(Done<T> done, Method method, Arguments... arguments) {
  ask([method, done = std::move(done), ... arguments = std::move(arguments)](Lifecycle* lifecycle) {
    if (lifecycle == nullptr) return done(no_manager());
    (lifecycle->*method)(arguments..., done);
  });
}

std::vector<instances::PinHolder> ReaderManager::Parts::pins() const {
  std::vector<instances::PinHolder> pins = board.pins();
  if (processes != nullptr) processes->add_pins(pins);
  return pins;
}

void ReaderManager::Parts::enforce(const std::vector<instances::PinnedVersion>& versions) const {
  if (processes != nullptr) processes->enforce(versions, spec.retain_max_bytes);
}

std::deque<ReaderManager::Parts::Request> ReaderManager::Parts::take_requests() {
  const std::lock_guard lock(mutex);
  return std::exchange(requests, {});
}

std::optional<InstanceChange> ReaderManager::Parts::take_instances() {
  const std::lock_guard lock(mutex);
  return std::exchange(instance_change, std::nullopt);
}

void ReaderManager::Parts::look_at_folder(FolderReaders& readers, SteadyTime now) {
  if (folder) {
    folder->read_events(now);
    for (const auto& change : folder->take_settled(now)) {
      if (change.is_content) {
        readers.look_at(change.name);
      } else {
        readers.look_at_attributes(change.name);
      }
    }
  }
  readers.look_at_postponed();
  readers.show_refused();
}

void ReaderManager::Parts::wait(std::optional<SteadyTime> until) {
  int timeout_ms = -1;
  if (until) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(*until - SteadyTime::clock::now()).count();
    timeout_ms = static_cast<int>(std::clamp<std::int64_t>(left, 0, 60'000));
  }
  pollfd watched[2] = {{wake_fd.get(), POLLIN, 0}, {folder ? folder->fd() : -1, POLLIN, 0}};
  ::poll(watched, 2, timeout_ms);  // whatever it returns, everything is looked at
  std::uint64_t wakes = 0;
  static_cast<void>(::read(wake_fd.get(), &wakes, sizeof wakes));
}

void ReaderManager::Parts::accept_requests(bool accept) {
  const std::lock_guard lock(mutex);
  accepts_requests = accept;
}

void ReaderManager::Parts::run(DisabledReaders disabled, std::promise<void>& settled) {
  ThreadSupply threads;  // outlives what it has started
  threads.make_ready();
  Lifecycle lifecycle(
      spec,
      {catalog, reads, events, [this] { wake(); }, catches_up, spec.checkpoint, watchdog, threads, processes},
      std::move(disabled), board);
  FolderReaders folder_readers(spec, catalog, lifecycle);
  look_at_folder(folder_readers, SteadyTime::clock::now());
  folder_readers.warn_of_missing();
  lifecycle.has_settled();
  settled.set_value();
  while (true) {
    std::optional<SteadyTime> due = lifecycle.next_due();
    if (const auto folder_due = folder ? folder->next_due() : std::nullopt)
      due = due ? std::min(*due, *folder_due) : *folder_due;
    wait(due);
    if (catches_up->load(std::memory_order_relaxed)) lifecycle.notice_catch_up();
    for (const Request& request : take_requests()) request(&lifecycle);
    if (auto wanted = take_instances())
      wanted->done(folder_readers.set_instances(spec, std::move(wanted->instances)));
    lifecycle.tick(SteadyTime::clock::now());
    look_at_folder(folder_readers, SteadyTime::clock::now());
    const std::lock_guard lock(mutex);
    if (!accepts_requests && requests.empty() && !instance_change) break;
  }
  left_threads.store(lifecycle.stop(), std::memory_order_relaxed);  // read after join
}

// ---- ReaderManager

ReaderManager::ReaderManager(ReadersSpec spec, const tables::Catalog& catalog, tree::ReadSide& reads,
                             instances::EventHub& events,
                             std::function<std::vector<tree::RetainedVersion>()> retained,
                             instances::ReaderProcesses* processes)
    : parts_(
          std::make_unique<Parts>(std::move(spec), catalog, reads, events, std::move(retained), processes)) {}

ReaderManager::~ReaderManager() { stop(); }

Result<void> ReaderManager::start() {
  PERCH_ASSERT(!parts_->thread.is_joinable(), "the manager is started once");
  if (!parts_->wake_fd) return fail("no eventfd for the reader manager");
  if (auto prepared = prepare_private_folder(parts_->spec.private_folder); !prepared) return prepared;
  if (!parts_->spec.folder.empty()) {
    auto folder = plugin::PluginFolder::watch(parts_->spec.folder);
    if (!folder) return fail(folder.error());
    parts_->folder = std::move(*folder);
  }
  auto disabled = DisabledReaders::read(parts_->spec.disabled_file);
  if (!disabled) return fail(disabled.error());
  containment::install_interposed_libc();
  containment::install_crash_signals();
  containment::set_blame_file(parts_->spec.blame_file.string());
  if (auto started = parts_->watchdog.start(); !started) return started;
  const auto settled = std::make_shared<std::promise<void>>();
  auto have_settled = settled->get_future();
  parts_->accept_requests(true);
  auto started = parts_->thread.start(
      "readers", [this, list = std::move(*disabled), settled] { parts_->run(list, *settled); });
  if (!started) {
    parts_->accept_requests(false);
    parts_->watchdog.stop();
    return started;
  }
  have_settled.wait();
  return {};
}

void ReaderManager::stop() {
  if (!parts_->thread.is_joinable()) return;
  parts_->accept_requests(false);
  parts_->wake();
  parts_->thread.join();
  parts_->watchdog.stop();
}

bool ReaderManager::left_threads_behind() const {
  return parts_->left_threads.load(std::memory_order_relaxed);
}

void ReaderManager::load(std::filesystem::path file, std::string name, std::string config,
                         Done<instances::ReaderStatus> done, bool without_trial) {
  parts_->ask(std::move(done), &Lifecycle::load, std::move(file), std::move(name), std::move(config),
              without_trial);
}

void ReaderManager::swap(std::string name, SwapOptions options, Done<SwapReport> done) {
  parts_->ask(std::move(done), &Lifecycle::swap, std::move(name), std::move(options));
}

void ReaderManager::configure(std::string name, std::string config,
                              std::optional<std::chrono::nanoseconds> probation, Done<SwapReport> done) {
  parts_->ask(std::move(done), &Lifecycle::configure, std::move(name), std::move(config), probation);
}

void ReaderManager::accept(std::string name, Done<instances::ReaderStatus> done) {
  parts_->ask(std::move(done), &Lifecycle::accept, std::move(name));
}

void ReaderManager::rollback(std::string name, Done<instances::ReaderStatus> done) {
  parts_->ask(std::move(done), &Lifecycle::rollback, std::move(name));
}

void ReaderManager::unload(std::string name, Done<std::string> done) {
  parts_->ask(std::move(done), &Lifecycle::unload, std::move(name));
}

void ReaderManager::disable(std::string name, Done<instances::ReaderStatus> done) {
  parts_->ask(std::move(done), &Lifecycle::disable, std::move(name));
}

void ReaderManager::enable(std::string name, Done<instances::ReaderStatus> done) {
  parts_->ask(std::move(done), &Lifecycle::enable, std::move(name));
}

void ReaderManager::set_instances(std::vector<InstanceSpec> instances, Done<std::vector<std::string>> done) {
  {
    const std::lock_guard lock(parts_->mutex);
    if (parts_->accepts_requests && !parts_->instance_change) {
      parts_->instance_change = InstanceChange{std::move(instances), std::move(done)};
      parts_->wake();
      return;
    }
  }
  done(no_manager());
}

void ReaderManager::drop_checkpoints() {
  parts_->ask([](Lifecycle* lifecycle) {
    if (lifecycle != nullptr) lifecycle->drop_checkpoints();
  });
}

void ReaderManager::catch_up() {
  parts_->catches_up->store(true, std::memory_order_relaxed);
  parts_->wake();
}

std::vector<std::string> ReaderManager::degraded() const { return parts_->board.degraded(); }

std::vector<instances::PinHolder> ReaderManager::pins() const { return parts_->pins(); }

std::vector<instances::ReaderStatus> ReaderManager::readers() const { return parts_->board.readers(); }

}  // namespace perch::readers
