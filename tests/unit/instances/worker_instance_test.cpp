// A worker that says whatever it likes (tests/faulty/hostile_worker.cpp) costs itself, and nothing of the
// host.
#include "instances/worker_instance.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/wait.h>

#include <atomic>
#include <cerrno>

#include "base/log.hpp"
#include "unit/no_threads.hpp"
#include "unit/test_files.hpp"
#include "unit/test_rows.hpp"

namespace perch::instances {
namespace worker_instance_test {

using namespace std::chrono_literals;
using namespace perch::test;
namespace fs = std::filesystem;

constexpr auto callback_deadline = 200ms;

/// The parts of a host that workers have to do with.
class WorkerHost {
 public:
  WorkerHost() {
    spdlog::set_level(spdlog::level::off);
    workers.program = fs::path(PERCH_BINARY_DIR) / "faulty" / "hostile_worker";
    workers.sandbox.is_on = false;
    rows.put(1, 1);
    rows.commit();
  }

  std::unique_ptr<WorkerInstance> make(const std::string& what) {
    auto file = plugin::PluginFile::open(faulty_plugin("summing"));
    REQUIRE(file.has_value());
    auto copy = file->copy_to(folder.path(), ++generation_);
    REQUIRE(copy.has_value());
    auto library =
        plugin::PluginLibrary::leave_to_workers(*file, *copy, generation_, plugin::CopyOwner::library);
    REQUIRE(library.has_value());
    return std::make_unique<WorkerInstance>(parts, workers, std::move(*library),
                                            WorkerInstance::Spec{what, "{}"}, callback_deadline);
  }

  std::unique_ptr<WorkerInstance> run(const std::string& what) {
    auto instance = make(what);
    REQUIRE(instance->create(30s).has_value());
    return instance;
  }

  TemporaryFolder folder;
  tables::Catalog catalog = test_catalog();
  std::unique_ptr<tree::Store> store = tree::Store::create({std::uint64_t{64} << 20}).value();
  RowWriter rows{*store, catalog};
  EventHub events;
  std::atomic<int> faults{0};
  Watchdog watchdog{{callback_deadline, 0},
                    events,
                    [] { return std::vector<PinHolder>(); },
                    std::function<std::vector<tree::RetainedVersion>()>()};
  ThreadSupply threads;
  ReaderProcesses processes{store->reads(), events, [this] { return store->open_read_only(); }};
  WorkersSpec workers;
  HostParts parts{catalog,
                  store->reads(),
                  events,
                  [this] { faults.fetch_add(1); },
                  std::make_shared<std::atomic<bool>>(false),
                  10ms,
                  watchdog,
                  threads,
                  &processes};

 private:
  std::uint64_t generation_ = 0;
};

TEST_CASE("hostile worker: what is no message, or silence, is the end of the process") {
  WorkerHost host;
  const std::pair<const char*, const char*> cases[] = {
      {"noise", "and was killed"},
      {"a message without end", "hung up, but did not end"},
      {"no json", "hung up, but did not end"},
      {"an array", "hung up, but did not end"},
      {"deep error", "hung up, but did not end"},
      {"deep lacks", "hung up, but did not end"},
      {"descriptors that are not there", "hung up, but did not end"},
      {"too many descriptors", "hung up, but did not end"},
      {"hangs up", "hung up, but did not end"},
      {"silence", "has said nothing for"},
  };
  for (const auto& [what, why] : cases) {
    CAPTURE(what);
    const int before = host.faults.load();
    const auto instance = host.run(what);
    static_cast<void>(instance->begin(std::nullopt, 30s));
    CHECK(eventually([&] { return host.faults.load() > before; }));
    REQUIRE(instance->fault().has_value());
    CAPTURE(instance->fault()->message);
    CHECK(instance->fault()->message.find(why) != std::string::npos);
    instance->request_end();
    CHECK(instance->wait_ended(30s));
    CHECK(host.processes.processes().empty());
  }
}

TEST_CASE("hostile worker: messages of every odd kind cost itself at most") {
  WorkerHost host;
  auto heard = host.events.subscribe(
      100'000, [](const Event&) { return true; }, [] {});
  for (const std::string what : {"odd messages", "deep publication", "babble 1", "babble 2", "babble 3"}) {
    CAPTURE(what);
    const auto instance = host.run(what);
    static_cast<void>(instance->begin(std::nullopt, 30s));
    // It falls silent at the end of it all.
    CHECK(eventually([&] { return instance->fault().has_value(); }));
    instance->request_end();
    CHECK(instance->wait_ended(30s));
    CHECK(host.processes.processes().empty());
    CHECK_FALSE(instance->checkpoint().has_value());
  }
  std::uint64_t dropped = 0;
  while (const auto event = heard->take(dropped)) {
    CAPTURE(event->json);
    CHECK(nlohmann::json::accept(event->json));
    CHECK(event->json.size() < 10'000);
    const bool may =
        event->kind == "publication" || event->kind == "reader.slow" || event->kind == "reader.slow_ended";
    CHECK(may);
  }
}

TEST_CASE("a worker that nobody could listen to is ended and reaped") {
  WorkerHost host;
  const auto instance = host.make("silence");
  {
    const NoThreads none;
    const auto created = instance->create(30s);
    REQUIRE_FALSE(created);
    CHECK(has(created.error().message, "no thread w:silence: Resource temporarily unavailable"));
  }
  CHECK(host.processes.processes().empty());
  CHECK(::waitpid(-1, nullptr, WNOHANG) == -1);
  CHECK(errno == ECHILD);
  instance->request_end();
  CHECK(instance->wait_ended(30s));
}

TEST_CASE("a worker has nothing open that the host's process had left open") {
  const UniqueFd file(::open("/dev/zero", O_RDONLY | O_CLOEXEC));
  const UniqueFd leaked(::fcntl(file.get(), F_DUPFD, 50));
  WorkerHost host;
  const auto instance = host.run("silence");
  std::size_t entries = 0;
  for (const auto& entry : fs::directory_iterator("/proc/" + std::to_string(instance->process()) + "/fd")) {
    CHECK(fs::read_symlink(entry.path()) != "/dev/zero");
    ++entries;
  }
  CHECK(entries == 6);  // the standard ones, its channel, the tree and its page of pins
  instance->request_end();
  CHECK(instance->wait_ended(30s));
}

TEST_CASE("a worker that is not there is an error") {
  WorkerHost host;
  host.workers.program = "/nothing/here";
  const auto instance = host.make("silence");
  const auto created = instance->create(30s);
  REQUIRE_FALSE(created);
  CHECK(created.error().message == "start /nothing/here: No such file or directory");
}

TEST_CASE("hostile worker: a flood is taken at the host's pace, and ended in time") {
  WorkerHost host;
  const auto instance = host.run("flood");
  static_cast<void>(instance->begin(std::nullopt, 30s));
  std::this_thread::sleep_for(300ms);
  instance->request_end();
  CHECK(instance->wait_ended(100ms));
  CHECK(instance->left_behind().find("did not end within") != std::string::npos);
  CHECK(host.processes.processes().empty());
}

TEST_CASE("hostile worker: a state that is none is refused, and nothing waits for it") {
  WorkerHost host;
  const std::pair<const char*, const char*> cases[] = {
      {"state: a pipe", "in what is no memory"},
      {"state: a folder", "in what is no memory"},
      {"state: too large", "too large"},
      {"state: a version to come", "no such version"},
      {"state: a word to come", "no such version"},
      {"state: not pinned", "its version is not pinned"},
  };
  for (const auto& [what, why] : cases) {
    CAPTURE(what);
    const auto instance = host.run(what);
    REQUIRE(instance->begin(std::nullopt, 30s).has_value());
    const auto state = instance->suspend(30s);
    REQUIRE_FALSE(state.has_value());
    CAPTURE(state.error().message);
    CHECK(state.error().message.find(why) != std::string::npos);
    instance->request_end();
    CHECK(instance->wait_ended(30s));
    CHECK(host.processes.processes().empty());
  }
}

}  // namespace worker_instance_test
}  // namespace perch::instances
