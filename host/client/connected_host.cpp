#include "client/connected_host.hpp"

#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "tables/table_texts.hpp"

namespace perch::client {
namespace {

using Clock = std::chrono::steady_clock;

Failure host_has_ended() { return {exit_no_host, {ErrorKind::failed, "the host has ended", {}}}; }

/// Whether these are the tables that the other one begins with.
bool is_beginning_of(const tables::Catalog& catalog, const tables::Catalog& longer) {
  const auto few = catalog.tables();
  const auto many = longer.tables();
  return few.size() <= many.size() &&
         std::equal(few.begin(), few.end(), many.begin(), [](const auto& left, const auto& right) {
           return left->name() == right->name() && left->key().text() == right->key().text() &&
                  left->value().text() == right->value().text();
         });
}

}  // namespace

Outcome<std::unique_ptr<ConnectedHost>> ConnectedHost::connect(const std::string& socket,
                                                               const std::string& name, Deadline deadline) {
  auto client = Client::connect(socket, deadline);
  if (!client) return end_with(client.error());
  std::unique_ptr<ConnectedHost> host(new ConnectedHost(socket, std::move(*client)));
  if (auto attached = host->attach(name, deadline); !attached) return end_with(attached.error());
  return host;
}

Outcome<void> ConnectedHost::attach(const std::string& name, Deadline deadline) {
  const auto answer = client_.call("client.attach", {{"name", name}}, deadline);
  if (!answer) return end_with(answer.error());
  const std::vector<UniqueFd> descriptors = client_.take_descriptors();
  if (descriptors.size() != 2) return end_with(exit_failed, "the host gave no descriptors for its tree");
  auto arena = tree::MappedArena::map(descriptors[0].get(), descriptors[1].get());
  if (!arena) return end_with(arena.error());
  arena_.emplace(std::move(*arena));
  reads_ = std::make_unique<tree::ReadSide>(arena_->base(), arena_->slot_page());
  functions_.struct_size = sizeof functions_;
  functions_.abi_version = PERCH_ABI_VERSION;
  reading::fill_snapshot_functions(functions_);
  if (auto taken = take_tables(*answer); !taken) return taken;
  stop_.reset(eventfd(0, EFD_CLOEXEC));
  if (!stop_) return end_with(exit_failed, "no eventfd");
  // Signals are the application's business: none of them is to land on a thread of a library.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const auto watching = watcher_.start("perch-watch", [this] { watch(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (!watching) return end_with(watching.error());
  return {};
}

Outcome<void> ConnectedHost::take_tables(const Json& listed) {
  auto catalog = tables::from_texts(listed.at("tables"));
  if (!catalog) return end_with(catalog.error());
  if (!is_beginning_of(catalog_, *catalog)) return end_with(exit_failed, "the host has changed its tables");
  catalog_ = std::move(*catalog);
  const auto all = catalog_.tables();
  bind_to({all.begin(), all.end()});
  return {};
}

ConnectedHost::~ConnectedHost() {
  if (!watcher_.is_joinable()) return;
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(stop_.get(), &one, sizeof one);  // an eventfd takes it
  watcher_.join();
}

/// Until this ends or the host does.
void ConnectedHost::watch() {
  constexpr auto without_end = std::chrono::hours(24 * 365 * 100);
  for (;;) {
    const auto notified = client_.next_notification(Clock::now() + without_end, stop_.get());
    if (notified && !*notified) return;  // asked to stop
    if (notified) continue;
    ended_.store(true, std::memory_order_release);
    reads_->wake_sleepers();
    return;
  }
}

Outcome<void> ConnectedHost::check_nothing_pinned() {
  const std::lock_guard lock(mutex_);
  if (free_.size() == pins_.size()) return {};
  return end_with({ErrorKind::refused, "give back what is pinned first", {}});
}

void ConnectedHost::bind_to(std::vector<tables::TablePtr> tables) {
  bound_ = tables;
  views_.push_back(std::make_unique<reading::BoundTables>(std::move(tables), "of this process"));
}

Outcome<void> ConnectedHost::bind(const std::vector<tables::WantedTable>& wanted) {
  if (auto may = check_nothing_pinned(); !may) return may;
  std::vector<tables::WantedTable> judged = wanted;
  for (tables::WantedTable& each : judged) {
    const auto table = catalog_.find(each.name);
    if (!table) continue;
    if (each.key_layout.empty()) each.key_layout = table->key().text();
    if (each.value_layout.empty()) each.value_layout = table->value().text();
  }
  auto fits = tables::check_fit(judged, catalog_, "program",
                                "this program was built for other tables than the host has");
  if (!fits) return end_with(fits.error());
  std::vector<tables::TablePtr> bound;
  for (const tables::WantedTable& each : judged) bound.push_back(catalog_.find(each.name));
  bind_to(std::move(bound));
  return {};
}

Outcome<void> ConnectedHost::refresh(Deadline deadline) {
  if (auto may = check_nothing_pinned(); !may) return may;
  auto client = Client::connect(socket_, deadline);  // the watcher has the other one
  if (!client) return end_with(client.error());
  const auto listed = client->call("client.tables", Json::object(), deadline);
  if (!listed) return end_with(listed.error());
  if (has_ended()) return end_with(host_has_ended());  // that was the next host
  return take_tables(*listed);
}

Outcome<const perch_snapshot*> ConnectedHost::pin() {
  if (has_ended()) return end_with(host_has_ended());
  Pin* pin = nullptr;
  {
    const std::lock_guard lock(mutex_);
    if (free_.empty()) {
      auto slot = reads_->try_claim_slot();
      if (!slot) {
        return end_with(
            {ErrorKind::refused,
             "this process has " + std::to_string(pins_.size()) + " versions pinned: give some back",
             {}});
      }
      pin = &pins_.emplace_back();
      pin->slot = std::move(*slot);
      free_.reserve(pins_.size());  // so that giving back never allocates
    } else {
      pin = free_.back();
      free_.pop_back();
    }
    pin->is_free = false;
  }
  pin->snapshot.view = pin->slot.pin();
  pin->snapshot.tables = views_.back().get();
  pin->snapshot.tag = perch_snapshot::alive;
  return &pin->snapshot;
}

void ConnectedHost::unpin(const perch_snapshot* snapshot) {
  if (snapshot == nullptr) return;
  const std::lock_guard lock(mutex_);
  const auto found = std::find_if(pins_.begin(), pins_.end(),
                                  [snapshot](const Pin& pin) { return &pin.snapshot == snapshot; });
  if (found == pins_.end() || found->is_free) {
    reading::RuleBreaches::of_this_thread().report("perch_unpin", "with what is not pinned");
    return;
  }
  found->slot.unpin();
  found->snapshot.tag = perch_snapshot::dead;
  found->snapshot.view = tree::Snapshot();
  found->is_free = true;
  free_.push_back(&*found);
}

Outcome<void> ConnectedHost::wait(tree::Version seen, std::int64_t timeout_ns) const {
  constexpr std::int64_t look_again_ns = 1'000'000'000;
  const auto begun = Clock::now();
  for (;;) {
    const std::uint32_t signal = reads_->signal();
    if (version() != seen) return {};
    if (has_ended()) return end_with(host_has_ended());
    std::int64_t left = look_again_ns;
    if (timeout_ns >= 0) {
      left = timeout_ns - std::chrono::nanoseconds(Clock::now() - begun).count();
      if (left <= 0) return end_with(exit_timeout, "no further version within the time");
    }
    reads_->wait_for_signal(signal, std::min(left, look_again_ns));
  }
}

}  // namespace perch::client
