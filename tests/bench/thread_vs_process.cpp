// thread_vs_process: the same reader on the same live tree, on a thread of the process that writes and in a
// process of its own, in turns; beside it LMDB, read by another process. One row per row of the data, u64
// keys, 32 bytes. What a wake-up costs without any of Perch's code is measured in the same run: a futex word
// that the writer changes after a commit, nothing else.
#ifdef PERCH_BENCH_LMDB
#include <lmdb.h>
#endif
#include <linux/futex.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <thread>

#include "engine.hpp"
#include "isolation/channel.hpp"
#include "stream_workload.hpp"
#include "tree/cursor.hpp"
#include "tree/diff.hpp"
#include "tree/mapped_arena.hpp"
#include "tree/store.hpp"

namespace perch::bench {
namespace {

using Clock = std::chrono::steady_clock;
using isolation::Channel;
using isolation::Json;
using isolation::Message;
using Row = Value<4>;

constexpr std::uint64_t gets = 200'000;
constexpr std::uint64_t pins = 500'000;
constexpr std::uint64_t events = 300;
constexpr int turns = 5;  // of each reader, in one repetition
constexpr tree::TableIndex table = 0;
const char* const measures[] = {"get_random", "scan", "diff", "snapshot", "event_to_reader", "bare_wake_up"};

std::int64_t clock_ns() { return std::chrono::nanoseconds(Clock::now().time_since_epoch()).count(); }

[[noreturn]] void die(const char* why) {
  std::fprintf(stderr, "thread_vs_process: %s\n", why);
  std::exit(1);
}

/// Every row is its key's value of some round: what is read must be one of them.
void check(std::uint64_t key, const Row& row) {
  const std::uint64_t round = row[0] - key;
  if (row != make_value<4>(key, round)) die("a wrong row");
}

std::uint64_t random_row(std::uint64_t& state, std::uint64_t rows) {
  state = state * 6364136223846793005 + 1442695040888963407;
  return (state >> 33) % rows;
}

std::int64_t median(std::vector<std::int64_t>& values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

/// What a wake-up takes that no commit is behind: the kernel's share. In memory that both processes have.
/// Orders are sequentially consistent throughout, as nothing here is to be faster than what it is held
/// against.
class Bell {
 public:
  static Bell& shared() {
    static Bell* const bell = [] {
      void* const page =
          mmap(nullptr, sizeof(Bell), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
      if (page == MAP_FAILED) die("no memory for the bell");
      return new (page) Bell;
    }();
    return *bell;
  }

  /// The writer's, after a commit. Nothing while nobody listens.
  void ring() {
    if (!listening_) return;
    rung_ns_ = clock_ns();
    ++strokes_;
    syscall(SYS_futex, &strokes_, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
  }

  /// Microseconds from a stroke to the sleeper's next instruction, the median.
  double listen() {
    std::vector<std::int64_t> took;
    listening_ = true;
    while (took.size() < events) {
      const std::uint32_t seen = strokes_;
      const timespec limit{1, 0};
      syscall(SYS_futex, &strokes_, FUTEX_WAIT, seen, &limit, nullptr, 0);
      const std::int64_t woken_ns = clock_ns();
      if (strokes_ != seen) took.push_back(woken_ns - rung_ns_);
    }
    listening_ = false;
    return static_cast<double>(median(took)) / 1000;
  }

 private:
  std::atomic<std::uint32_t> strokes_{0};  // futex word
  std::atomic<std::int64_t> rung_ns_{0};
  std::atomic<bool> listening_{false};
};

// ---- The reader: this very code, whichever the process.

double get_random(tree::ReadSide& reads, std::uint64_t rows, std::uint64_t seed) {
  tree::PinSlot slot = reads.claim_slot();
  const tree::Snapshot snapshot = slot.pin();
  std::uint64_t sum = 0;
  const std::int64_t begun = clock_ns();
  for (std::uint64_t i = 0; i < gets; ++i) {
    const std::uint64_t key = key_of_row(random_row(seed, rows));
    sum += digest(*reinterpret_cast<const Row*>(snapshot.get(table, &key)));
  }
  const double took = static_cast<double>(clock_ns() - begun) / gets;
  if (sum == 0) die("nothing was read");
  return took;
}

double scan(tree::ReadSide& reads, std::uint64_t rows, std::uint64_t) {
  tree::PinSlot slot = reads.claim_slot();
  const tree::Snapshot snapshot = slot.pin();
  const std::int64_t begun = clock_ns();
  tree::Cursor cursor(snapshot, table);
  std::uint64_t seen = 0;
  std::uint64_t sum = 0;
  for (tree::Run run = cursor.next(); run.count != 0; run = cursor.next()) {
    for (std::uint32_t i = 0; i < run.count; ++i, ++seen)
      sum += digest(
          *reinterpret_cast<const Row*>(run.values + static_cast<std::ptrdiff_t>(i) * run.value_stride));
  }
  const double took = static_cast<double>(clock_ns() - begun) / static_cast<double>(rows);
  if (seen != rows || sum == 0) die("a scan with rows too few or too many");
  return took;
}

double diff(tree::ReadSide& reads, std::uint64_t, std::uint64_t) {
  constexpr tree::Version versions = 64;
  const tree::SharedSnapshot old = reads.acquire();
  for (;;) {
    const std::uint32_t signal = reads.signal();
    if (reads.published_version() >= old->snapshot().version() + versions) break;
    reads.wait_for_signal(signal, 1'000'000'000);
  }
  const tree::SharedSnapshot now = reads.acquire();
  const std::int64_t begun = clock_ns();
  tree::Diff changes(old->snapshot(), now->snapshot(), table, sizeof(Row));
  tree::Change change;
  std::uint64_t count = 0;
  for (; changes.next(change); ++count) check(change.key[0], *reinterpret_cast<const Row*>(change.new_value));
  return static_cast<double>(clock_ns() - begun) / static_cast<double>(std::max<std::uint64_t>(count, 1));
}

double snapshot(tree::ReadSide& reads, std::uint64_t, std::uint64_t) {
  tree::PinSlot slot = reads.claim_slot();
  std::uint64_t empty = 0;
  const std::int64_t begun = clock_ns();
  for (std::uint64_t i = 0; i < pins; ++i) {
    empty += slot.pin().version() == 0;
    slot.unpin();
  }
  const double took = static_cast<double>(clock_ns() - begun) / pins;
  if (empty != 0) die("an empty version");
  return took;
}

/// From the commit's time, as its record has it, to the moment that a sleeping reader has it pinned.
double event_to_reader(tree::ReadSide& reads, std::uint64_t, std::uint64_t) {
  tree::PinSlot slot = reads.claim_slot();
  std::vector<std::int64_t> took;
  tree::Version seen = reads.published_version();
  while (took.size() < events) {
    const std::uint32_t signal = reads.signal();
    if (reads.published_version() == seen) {
      reads.wait_for_signal(signal, 1'000'000'000);
      continue;
    }
    const tree::Snapshot snapshot = slot.pin();
    took.push_back(clock_ns() - snapshot.commit_time_ns());
    seen = snapshot.version();
  }
  return static_cast<double>(median(took)) / 1000;
}

double measure(const std::string& what, tree::ReadSide& reads, std::uint64_t rows, std::uint64_t seed) {
  if (what == "get_random") return get_random(reads, rows, seed);
  if (what == "scan") return scan(reads, rows, seed);
  if (what == "diff") return diff(reads, rows, seed);
  if (what == "snapshot") return snapshot(reads, rows, seed);
  if (what == "bare_wake_up") return Bell::shared().listen();
  return event_to_reader(reads, rows, seed);
}

const char* unit_of(const std::string& what) {
  if (what == "event_to_reader" || what == "bare_wake_up") return "us";
  if (what == "snapshot") return "ns";
  return what == "diff" ? "ns/changed row" : "ns/row";
}

// ---- LMDB, in another process

#ifdef PERCH_BENCH_LMDB
void must_succeed(int result, const char* what) {
  if (result != MDB_SUCCESS) die((std::string("lmdb: ") + what + ": " + mdb_strerror(result)).c_str());
}

class Lmdb {
 public:
  explicit Lmdb(const std::string& path) {
    must_succeed(mdb_env_create(&env_), "create");
    must_succeed(mdb_env_set_mapsize(env_, memory_limit_bytes), "size");
    must_succeed(
        mdb_env_open(env_, path.c_str(),
                     MDB_NOSUBDIR | MDB_NOSYNC | MDB_NOMETASYNC | MDB_WRITEMAP | MDB_NOTLS | MDB_NOMEMINIT,
                     0600),
        path.c_str());
    MDB_txn* txn = nullptr;
    must_succeed(mdb_txn_begin(env_, nullptr, 0, &txn), "begin");
    must_succeed(mdb_dbi_open(txn, nullptr, MDB_INTEGERKEY, &table_), "open");
    must_succeed(mdb_txn_commit(txn), "commit");
  }
  ~Lmdb() { mdb_env_close(env_); }

  void load(std::uint64_t rows) {
    MDB_txn* txn = nullptr;
    must_succeed(mdb_txn_begin(env_, nullptr, 0, &txn), "begin");
    for (std::uint64_t i = 0; i < rows; ++i) {
      std::uint64_t key = key_of_row(i);
      Row row = make_value<4>(key, 0);
      MDB_val key_bytes{sizeof key, &key};
      MDB_val row_bytes{sizeof row, row.data()};
      must_succeed(mdb_put(txn, table_, &key_bytes, &row_bytes, 0), "put");
    }
    must_succeed(mdb_txn_commit(txn), "commit");
  }

  /// −1: there is no such thing in LMDB.
  double measure(const std::string& what, std::uint64_t rows, std::uint64_t seed) {
    if (what != "get_random" && what != "scan" && what != "snapshot") return -1;
    MDB_txn* txn = nullptr;
    must_succeed(mdb_txn_begin(env_, nullptr, MDB_RDONLY, &txn), "begin reading");
    std::uint64_t count = gets;
    std::uint64_t sum = 0;
    const std::int64_t begun = clock_ns();
    if (what == "get_random") {
      for (std::uint64_t i = 0; i < gets; ++i) sum += get(txn, key_of_row(random_row(seed, rows)));
    } else if (what == "snapshot") {
      for (count = 0; count < pins; ++count) {
        mdb_txn_reset(txn);
        must_succeed(mdb_txn_renew(txn), "renew");
        sum += mdb_txn_id(txn);
      }
    } else {
      sum = scan(txn);
      count = rows;
    }
    const double took = static_cast<double>(clock_ns() - begun) / static_cast<double>(count);
    mdb_txn_abort(txn);
    if (sum == 0) die("lmdb: nothing was read");
    return took;
  }

 private:
  static std::uint64_t digest_of(const MDB_val& bytes) {
    Row row;
    std::memcpy(&row, bytes.mv_data, sizeof row);
    return digest(row);
  }
  std::uint64_t get(MDB_txn* txn, std::uint64_t key) const {
    MDB_val key_bytes{sizeof key, &key};
    MDB_val row;
    must_succeed(mdb_get(txn, table_, &key_bytes, &row), "get");
    return digest_of(row);
  }
  std::uint64_t scan(MDB_txn* txn) const {
    MDB_cursor* cursor = nullptr;
    must_succeed(mdb_cursor_open(txn, table_, &cursor), "cursor");
    MDB_val key, row;
    std::uint64_t sum = 0;
    for (int got = mdb_cursor_get(cursor, &key, &row, MDB_FIRST); got == MDB_SUCCESS;
         got = mdb_cursor_get(cursor, &key, &row, MDB_NEXT))
      sum += digest_of(row);
    mdb_cursor_close(cursor);
    return sum;
  }

  MDB_env* env_ = nullptr;
  MDB_dbi table_ = 0;
};
#endif

// ---- The reader process

std::string lmdb_path() { return "/dev/shm/perch_bench.process." + std::to_string(getpid()); }

/// Answers what it is asked to measure, until it is hung up on.
[[noreturn]] void be_the_reader(UniqueFd socket, std::uint64_t rows,
                                [[maybe_unused]] const std::string& lmdb) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  Channel channel(std::move(socket));
  Message message;
  if (channel.receive(message, std::chrono::minutes(5)) != Channel::Received::message) _exit(1);
  auto arena = tree::MappedArena::map(message.descriptors.at(0).get(), message.descriptors.at(1).get());
  if (!arena) die(arena.error().message.c_str());
  tree::ReadSide reads(arena->base(), arena->slot_page());
#ifdef PERCH_BENCH_LMDB
  Lmdb other(lmdb);
#endif
  while (channel.receive(message, std::chrono::minutes(5)) == Channel::Received::message) {
    const std::string what = message.body.value("measure", "");
    const std::uint64_t seed = message.body.value("seed", std::uint64_t{0});
    double value = -1;
    if (message.body.value("engine", "") == "perch") value = measure(what, reads, rows, seed);
#ifdef PERCH_BENCH_LMDB
    if (message.body.value("engine", "") == "lmdb") value = other.measure(what, rows, seed);
#endif
    channel.send({{"value", value}});
  }
  _exit(0);
}

struct ReaderProcess {
  ReaderProcess(std::uint64_t rows, const std::string& lmdb) {
    auto sockets = Channel::make_sockets();
    if (!sockets) die(sockets.error().message.c_str());
    pid = fork();
    if (pid < 0) die("no reader process");
    if (pid == 0) {
      sockets->first.reset();
      be_the_reader(std::move(sockets->second), rows, lmdb);
    }
    channel.emplace(std::move(sockets->first));
  }
  ~ReaderProcess() {
    channel.reset();
    waitpid(pid, nullptr, 0);
  }
  double ask(const char* engine, const char* what, std::uint64_t seed) {
    channel->send({{"engine", engine}, {"measure", what}, {"seed", seed}});
    Message message;
    if (channel->receive(message, std::chrono::minutes(5)) != Channel::Received::message)
      die("the reader process ended");
    return message.body.value("value", -1.0);
  }

  pid_t pid = -1;
  std::optional<Channel> channel;
};

// ---- The writer

/// Commits 16 rows at random each millisecond: the tree is alive.
class Writer {
 public:
  Writer(tree::Store& store, std::uint64_t rows) : store_(store), rows_(rows) {
    for (std::uint64_t row = 0; row < rows; ++row) {
      put(row, 0);
      if (row % 1024 == 1023) store_.commit(clock_ns(), {});
    }
    store_.commit(clock_ns(), {});
    thread_ = std::thread([this] { run(); });
  }
  ~Writer() {
    stopping_.store(true, std::memory_order_relaxed);  // the join orders the rest
    thread_.join();
  }

 private:
  void put(std::uint64_t row, std::uint64_t round) {
    if (!store_.has_room()) die("the arena is full");
    const std::uint64_t key = key_of_row(row);
    const Row value = make_value<4>(key, round);
    std::memcpy(store_.upsert(table, &key).value, value.data(), sizeof value);
  }
  void run() {
    std::uint64_t state = 17;
    auto due = Clock::now();
    for (std::uint64_t round = 1; !stopping_.load(std::memory_order_relaxed); ++round) {
      for (int i = 0; i < 16; ++i) put(random_row(state, rows_), round);
      store_.commit(clock_ns(), {});
      Bell::shared().ring();
      due += std::chrono::milliseconds(1);
      std::this_thread::sleep_until(due);
    }
  }

  tree::Store& store_;
  const std::uint64_t rows_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace

void thread_vs_process(Report& report, std::uint64_t rows) {
  const std::string lmdb = lmdb_path();
#ifdef PERCH_BENCH_LMDB
  std::optional<Lmdb> loaded(lmdb);
  loaded->load(rows);
  loaded.reset();  // an environment is not to be carried through fork(2)
#endif
  Bell::shared();                     // before the fork, for both
  ReaderProcess process(rows, lmdb);  // before this process has threads
  tree::StoreOptions options;
  options.arena_bytes = std::uint64_t{4} << 30;
  auto store = tree::Store::create(options);
  if (!store) die(store.error().message.c_str());
  (*store)->add_table({1, sizeof(Row)});
  {
    Writer writer(**store, rows);
    auto page = (*store)->reads().processes().attach();
    auto arena = (*store)->open_read_only();
    if (!page || !arena) die("the reader process gets no tree");
    process.channel->send({{"rows", rows}}, {arena->get(), page->fd.get()});
    for (int turn = 0; turn < turns; ++turn) {
      for (const char* const what : measures) {
        const auto seed = static_cast<std::uint64_t>(turn + 1);
        const std::string name = std::string("thread_vs_process.") + what;
        const char* const unit = unit_of(what);
        const bool bare = name.ends_with("bare_wake_up");
        report.add(name, unit, bare ? "futex-thread" : "perch-thread",
                   measure(what, (*store)->reads(), rows, seed));
        report.add(name, unit, bare ? "futex-process" : "perch-process", process.ask("perch", what, seed));
        const double other = process.ask("lmdb", what, seed);
        if (other >= 0) report.add(name, unit, "lmdb-process", other);
      }
    }
    (*store)->reads().processes().detach(page->id);
  }
  unlink(lmdb.c_str());
  unlink((lmdb + "-lock").c_str());
}

}  // namespace perch::bench
