// event_to_reader: from the feed's write to the reader's on_commit, beside Redis publish/subscribe.
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <thread>

#include <fcntl.h>

#include "base/assert.hpp"
#include "feeder.hpp"
#include "ingest/ingest.hpp"
#include "plugins/arrivals.hpp"
#include "readers/reader_manager.hpp"
#include "readers/readers_spec.hpp"
#include "redis_server.hpp"
#include "stream_workload.hpp"
#include "tables/catalog.hpp"
#include "tree/store.hpp"

namespace perch::bench {
namespace {

using namespace std::chrono_literals;

constexpr auto pause_between = 1ms;  // everybody falls asleep again
constexpr std::size_t warm_up = 200;

std::int64_t now_ns() { return std::chrono::steady_clock::now().time_since_epoch() / 1ns; }

void add(Report& report, const std::string& engine, std::vector<std::int64_t> latencies) {
  PERCH_ASSERT(latencies.size() > 2 * warm_up, "events arrive");
  latencies.erase(latencies.begin(), latencies.begin() + warm_up);
  std::sort(latencies.begin(), latencies.end());
  const auto quantile = [&](double share) {
    return double(latencies[static_cast<std::size_t>(share * double(latencies.size() - 1))]) / 1e3;
  };
  report.add("event_to_reader", "us p50", engine, quantile(0.5));
  report.add("event_to_reader", "us p99", engine, quantile(0.99));
}

/// The notes of the plugin arrivals.
class Notes {
 public:
  explicit Notes(const std::filesystem::path& file) {
    const UniqueFd descriptor(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    PERCH_ASSERT(descriptor && ::ftruncate(descriptor.get(), sizeof(ArrivalNotes)) == 0, "the notes' file");
    void* const memory =
        ::mmap(nullptr, sizeof(ArrivalNotes), PROT_READ | PROT_WRITE, MAP_SHARED, descriptor.get(), 0);
    PERCH_ASSERT(memory != MAP_FAILED, "the notes' memory");
    notes_ = static_cast<ArrivalNotes*>(memory);
    ::setenv("PERCH_BENCH_ARRIVALS", file.c_str(), 1);
  }
  ~Notes() { ::munmap(notes_, sizeof(ArrivalNotes)); }
  std::uint64_t count() const { return notes_->count.load(std::memory_order_acquire); }
  std::vector<std::int64_t> latencies() const { return {notes_->latency_ns, notes_->latency_ns + count()}; }

 private:
  ArrivalNotes* notes_ = nullptr;
};

/// Threads that this one starts from now on run there. Threads that spin want a processor each, and the feed
/// runs beside the reader: so the source sees an event while the feed still has the other processor.
void run_on(unsigned processor) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(processor % std::max(1u, std::thread::hardware_concurrency()), &set);
  ::sched_setaffinity(0, sizeof set, &set);
}
void run_anywhere() {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (unsigned processor = 0; processor < std::thread::hardware_concurrency(); ++processor)
    CPU_SET(processor, &set);
  ::sched_setaffinity(0, sizeof set, &set);
}

std::vector<std::int64_t> through_perch(std::uint64_t events, bool source_spins, bool reader_spins) {
  const BenchFolder folder;
  const Notes notes(folder / "notes");
  std::filesystem::create_directory(folder / "plugins");
  std::filesystem::copy_file(PERCH_BENCH_PLUGINS "/arrivals.so", folder / "plugins" / "arrivals.so");
  const auto store =
      std::move(*tree::Store::create({std::uint64_t{64} << 20, tree::commit_with_fallocate, true}));
  auto catalog =
      std::move(*tables::Catalog::make({{"ticks", {{"id", "uint64"}}, {{"sent_ns", "int64"}}, {}}}));

  readers::ReadersSpec readers_spec;
  readers_spec.folder = folder / "plugins";
  readers_spec.private_folder = folder / "generations";
  readers_spec.disabled_file = folder / "disabled.json";
  readers_spec.blame_file = folder / "crashed.txt";
  readers_spec.instances = {{"arrivals", "arrivals", "{}", reader_spins}};
  instances::EventHub hub;
  readers::ReaderManager readers(readers_spec, catalog, store->reads(), hub);
  if (source_spins) run_on(1);
  const auto readers_started = readers.start();
  PERCH_ASSERT(readers_started && readers.readers().front().state == "running", "the reader runs");

  ingest::IngestSpec spec;
  spec.reject_log = folder / "rejects.ndjson";
  spec.commit_max_rows = 1;
  ingest::SourceSpec source;
  source.name = "feed";
  source.type = ingest::SourceType::unix_socket;
  source.path = folder / "feed.sock";
  source.spin = source_spins;
  source.feeds = {{"ticks", {}, {}}};
  spec.sources.push_back(source);
  ingest::Ingest ingest(*store, catalog, spec);
  if (source_spins) run_on(0);
  PERCH_ASSERT(ingest.start().has_value(), "ingest starts");
  if (source_spins) run_on(1);

  const UniqueFd feed = connect_to(folder / "feed.sock");
  for (std::uint64_t event = 0; event < events; ++event) {
    const std::uint64_t seen = notes.count();
    char row[64];
    const int length = std::snprintf(row, sizeof row, "{\"id\":0,\"sent_ns\":%ld}\n", now_ns());
    write_all(feed.get(), {row, static_cast<std::size_t>(length)});
    for (int wait = 0; notes.count() == seen && wait < 1000; ++wait)
      std::this_thread::sleep_for(pause_between);
    PERCH_ASSERT(notes.count() > seen, "the event arrives");
    std::this_thread::sleep_for(pause_between);
  }
  ingest.stop();
  readers.stop();
  run_anywhere();
  return notes.latencies();
}

/// Reads until `text` ends with a whole reply that has this word; returns what came.
std::string read_reply(int descriptor) {
  char block[4096];
  const ssize_t count = ::read(descriptor, block, sizeof block);
  PERCH_ASSERT(count > 0, "redis answers");
  return {block, static_cast<std::size_t>(count)};
}

std::vector<std::int64_t> through_redis(std::uint64_t events) {
  const BenchFolder folder;
  const RedisServer server(folder / "redis.sock");
  const UniqueFd publisher = connect_to(folder / "redis.sock");
  const UniqueFd subscriber = connect_to(folder / "redis.sock");
  write_all(subscriber.get(), "SUBSCRIBE ticks\r\n");
  read_reply(subscriber.get());
  std::atomic<std::uint64_t> seen{0};
  std::vector<std::int64_t> latencies;
  std::thread reader([&] {
    for (std::uint64_t event = 0; event < events; ++event) {
      const std::string reply = read_reply(subscriber.get());
      const std::int64_t now = now_ns();
      // *3 $7 message $5 ticks $N <sent>
      const std::size_t end = reply.rfind("\r\n");
      const std::size_t begin = reply.rfind('\n', end - 1) + 1;
      latencies.push_back(now - std::stoll(reply.substr(begin, end - begin)));
      seen.store(event + 1, std::memory_order_release);
    }
  });
  for (std::uint64_t event = 0; event < events; ++event) {
    char command[64];
    const int length = std::snprintf(command, sizeof command, "PUBLISH ticks %ld\r\n", now_ns());
    write_all(publisher.get(), {command, static_cast<std::size_t>(length)});
    read_reply(publisher.get());
    while (seen.load(std::memory_order_acquire) <= event) std::this_thread::sleep_for(pause_between);
    std::this_thread::sleep_for(pause_between);
  }
  reader.join();
  return latencies;
}

}  // namespace

void event_to_reader(Report& report, std::uint64_t rows) {
  const std::uint64_t events = std::clamp<std::uint64_t>(rows / 500, 3 * warm_up, 2000);
  add(report, "perch", through_perch(events, false, false));
  add(report, "perch_reader_spins", through_perch(events, false, true));
  add(report, "perch_both_spin", through_perch(events, true, true));
  if (RedisServer::program().empty()) {
    std::fprintf(stderr, "without redis: redis-server is missing\n");
  } else {
    add(report, "redis", through_redis(events));
  }
}

}  // namespace perch::bench
