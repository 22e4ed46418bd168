// Processes that die at every step: readers in the middle of attaching, pinning, reading, unpinning, taking a
// pin over; hosts in the middle of writing, reclaiming, attaching, detaching and passing on. What the others
// read is right, and what the dead one held comes back.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <optional>
#include <thread>

#include "support.hpp"
#include "tree/mapped_arena.hpp"

namespace perch::tree::test {
namespace process_faults_test {

constexpr TableShape shape{1, 24};
constexpr std::uint64_t keys = 300;
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr int deaths = 5;  // a sanitizer's fork takes its time
constexpr int traced_deaths_soak = 5;
constexpr int traced_deaths = 2;
#else
constexpr int deaths = 200;
constexpr int traced_deaths_soak = 200;
constexpr int traced_deaths = 20;
#endif

[[noreturn]] void die() {
  for (;;) ::kill(getpid(), SIGKILL);
}

bool is_right(const Snapshot& snapshot, bool is_as_filled = false) {
  return rows_are_right(snapshot, 0, shape, keys, is_as_filled);
}

void fill(Store& store) {
  store.add_table(shape);
  for (std::uint64_t key = 0; key < keys; ++key) put(store, 0, key_of(key), shape.value_bytes, key);
  store.commit(0, {});
}

void write_on(Store& store, std::uint64_t round, Random& random) {
  const std::uint64_t key = random.below(keys);
  put(store, 0, key_of(key), shape.value_bytes, key + keys * round);
  store.commit(0, {});
}

// ---- Readers that die

/// What a pin has between its store and its look at what is published: here that is the end.
struct FatalFence {
  void light() const { die(); }
};

enum class Step {
  attached,
  mapped,
  claimed,
  stored,
  pinned,
  reading,
  pinned_again,
  unpinned,
  given_back,
  took_over,
  last
};

/// In a child: goes as far as `step`, and dies there.
[[noreturn]] void read_up_to(Step step, int arena_fd, int page_fd) {
  const auto here = [step](Step reached) {
    if (step == reached) die();
  };
  here(Step::attached);
  const auto mapped = MappedArena::map(arena_fd, page_fd);
  if (!mapped) _exit(1);
  here(Step::mapped);
  ReadSide reads(mapped->base(), mapped->slot_page());
  if (step == Step::took_over) {
    const SharedSnapshot given = reads.handed_over();
    if (given == nullptr || !is_right(given->snapshot())) _exit(2);
    die();
  }
  if (step == Step::stored) {
    const auto* const control = reinterpret_cast<const ControlPage*>(mapped->base());
    Pins::pin(control->published, *mapped->slot_page()->pins.claim(), FatalFence());
  }
  PinSlot slot = reads.claim_slot();
  here(Step::claimed);
  const Snapshot snapshot = slot.pin();
  here(Step::pinned);
  Cursor cursor(snapshot, 0);
  cursor.next();
  here(Step::reading);
  if (!is_right(snapshot)) _exit(2);
  if (!is_right(slot.pin())) _exit(2);
  here(Step::pinned_again);
  slot.unpin();
  here(Step::unpinned);
  slot = PinSlot();
  here(Step::given_back);
  _exit(3);
}

TEST_CASE("process: a reader may die at any step, and all that it held comes back") {
  auto store = make_store();
  fill(*store);
  std::atomic<bool> done{false};
  std::thread writer([&] {
    Random random(5);
    for (std::uint64_t round = 1; !done.load(); ++round) write_on(*store, round, random);
  });
  for (int step = 0; step < static_cast<int>(Step::last); ++step) {
    CAPTURE(step);
    for (int death = 0; death < deaths; ++death) {
      auto page = store->reads().processes().attach();
      auto arena = store->open_read_only();
      REQUIRE(page.has_value());
      REQUIRE(arena.has_value());
      SharedSnapshot given;
      if (static_cast<Step>(step) == Step::took_over) {
        given = store->reads().acquire();
        REQUIRE(store->reads().processes().hand_over(page->id, given.word()));
        given.reset();  // the process's from here on
      }
      const pid_t child = fork();
      if (child == 0) read_up_to(static_cast<Step>(step), arena->get(), page->fd.get());
      int status = 0;
      REQUIRE(waitpid(child, &status, 0) == child);
      const bool was_killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
      CHECK(was_killed);
      store->reads().processes().detach(page->id);
    }
  }
  done.store(true);
  writer.join();
  store->reclaim_all();
  CHECK(store->stats().retained_bytes == 0);
  CHECK(store->reads().processes().count() == 0);
  CHECK(store->check() == "");
}

// ---- Hosts that die

/// What a reader elsewhere needs: the descriptors' numbers in the host.
struct Offer {
  int arena;
  int page;
};

/// In a child: a store that is filled, and offered to a reader.
struct OfferedStore {
  OfferedStore(std::uint64_t arena_bytes, int offer_fd) : store(make_store(arena_bytes)) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    fill(*store);
    auto attached = store->reads().processes().attach();
    auto opened = store->open_read_only();
    if (!attached || !opened) _exit(1);
    page = std::move(*attached);
    arena = std::move(*opened);
    const Offer offer{arena.get(), page.fd.get()};
    if (write(offer_fd, &offer, sizeof offer) != sizeof offer) _exit(1);
  }

  std::unique_ptr<Store> store;
  SlotPages::Attached page;
  UniqueFd arena;
};

/// In a child: a host that writes, and on another thread attaches, passes on and detaches, until it is
/// killed.
[[noreturn]] void be_a_host(int offer_fd) {
  const OfferedStore offered(std::uint64_t{64} << 20, offer_fd);
  Store* const store = offered.store.get();
  std::thread passer([&] {
    for (;;) {
      auto other = store->reads().processes().attach();
      if (!other) _exit(1);
      const SharedSnapshot held = store->reads().acquire();
      if (!store->reads().processes().hand_over(other->id, held.word())) _exit(1);
      if (store->reads().take_over(other->id, held.word()) == nullptr) _exit(1);
      store->reads().processes().detach(other->id);
    }
  });
  Random random(7);
  for (std::uint64_t round = 1;; ++round) write_on(*store, round, random);
}

UniqueFd open_of(pid_t process, int fd, int flags) {
  const std::string path = "/proc/" + std::to_string(process) + "/fd/" + std::to_string(fd);
  return UniqueFd(open(path.c_str(), flags | O_CLOEXEC));
}

/// A host in a child of this process, and what it offers.
struct HostChild {
  /// `be` does not return.
  template <class Be>
  explicit HostChild(Be be) {
    int pipe_fds[2];
    REQUIRE(pipe(pipe_fds) == 0);
    pid = fork();
    REQUIRE(pid >= 0);
    if (pid == 0) be(pipe_fds[1]);
    close(pipe_fds[1]);
    REQUIRE(read(pipe_fds[0], &offer, sizeof offer) == sizeof offer);
    close(pipe_fds[0]);
  }

  /// The host need not run for it, only be there.
  MappedArena map() const {
    const UniqueFd arena = open_of(pid, offer.arena, O_RDONLY);
    const UniqueFd page = open_of(pid, offer.page, O_RDWR);
    auto mapped = MappedArena::map(arena.get(), page.get());
    REQUIRE(mapped.has_value());
    return std::move(*mapped);
  }

  pid_t pid = -1;
  Offer offer{};
};

TEST_CASE("process: a host may die at any moment, and its last version stays whole for who reads it") {
  Random random(11);
  std::uint64_t looks = 0;
  for (int death = 0; death < deaths; ++death) {
    const HostChild host(be_a_host);
    const MappedArena mapped = host.map();
    {
      ReadSide reads(mapped.base(), mapped.slot_page());
      PinSlot held = reads.claim_slot();
      PinSlot slot = reads.claim_slot();
      const Snapshot first = held.pin();
      const auto until = std::chrono::steady_clock::now() + std::chrono::microseconds(random.below(4000));
      bool right = true;
      for (; std::chrono::steady_clock::now() < until; ++looks) right = right && is_right(slot.pin());
      kill(host.pid, SIGKILL);
      for (int i = 0; i < 20; ++i) right = right && is_right(slot.pin());
      int status = 0;
      REQUIRE(waitpid(host.pid, &status, 0) == host.pid);
      right = right && is_right(slot.pin()) && is_right(first);
      CHECK(right);
    }
  }
  CHECK(looks > 0);
}

// ---- Hosts that die at an instruction of one operation, traced there step by step (ptrace(2))

enum class HostStep { attach, write, commit, reclaim, hand_over, take_over, detach, last };
const std::string host_steps[] = {"attach", "write", "commit", "reclaim", "hand_over", "take_over", "detach"};

/// In a child that is traced: stops when `offer` is made, when the step begins, and behind it.
[[noreturn]] void be_a_traced_host(HostStep step, int offer_fd) {
  ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
  const OfferedStore offered(std::uint64_t{16} << 20, offer_fd);
  Store* const store = offered.store.get();
  SlotPages& processes = store->reads().processes();
  raise(SIGSTOP);

  Random random(13);
  // Memory that is reused, and some yet to be reclaimed.
  for (std::uint64_t round = 1; round <= 20; ++round) {
    write_on(*store, round, random);
    if (round == 10) store->reclaim_all();
  }
  const SharedSnapshot held = store->reads().acquire();
  if (step == HostStep::take_over) processes.hand_over(offered.page.id, held.word());
  const std::uint64_t key = random.below(keys);
  if (step == HostStep::commit) put(*store, 0, key_of(key), shape.value_bytes, key + keys * 100);
  raise(SIGSTOP);

  bool went_well = true;
  switch (step) {
    case HostStep::attach:
      went_well = processes.attach().has_value();
      break;
    case HostStep::write:
      put(*store, 0, key_of(key), shape.value_bytes, key + keys * 100);
      break;
    case HostStep::commit:
      store->commit(0, {});
      break;
    case HostStep::reclaim:
      store->reclaim_all();
      break;
    case HostStep::hand_over:
      went_well = processes.hand_over(offered.page.id, held.word());
      break;
    case HostStep::take_over:
      went_well = store->reads().take_over(offered.page.id, held.word()) != nullptr;
      break;
    case HostStep::detach:
      processes.detach(offered.page.id);
      break;
    case HostStep::last:
      went_well = false;
  }
  if (!went_well) _exit(1);
  raise(SIGSTOP);
  _exit(1);  // it is to be killed
}

/// A traced host, and what a reader in this process sees of it.
class TracedHost {
 public:
  explicit TracedHost(HostStep step)
      : host_([step](int offer_fd) { be_a_traced_host(step, offer_fd); }), pid_(host_.pid) {
    REQUIRE(next_stop() == SIGSTOP);
    arena_.emplace(host_.map());
    reads_.emplace(arena_->base(), arena_->slot_page());
    held_ = reads_->claim_slot();
    first_ = held_.pin();
    ptrace(PTRACE_CONT, pid_, nullptr, nullptr);
    REQUIRE(next_stop() == SIGSTOP);
  }
  ~TracedHost() {
    held_ = PinSlot();
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  TracedHost(const TracedHost&) = delete;
  TracedHost& operator=(const TracedHost&) = delete;

  /// Runs at most so many instructions of the step. How many it were: less when it ended before.
  std::uint64_t advance(std::uint64_t instructions) {
    for (std::uint64_t done = 0; done < instructions; ++done) {
      const bool steps = ptrace(PTRACE_SINGLESTEP, pid_, nullptr, nullptr) == 0;
      const int signal = steps ? next_stop() : 0;
      if (signal == SIGSTOP) return done;
      if (signal != SIGTRAP) FAIL("the host ended in the middle of its step");
    }
    return instructions;
  }

  /// Kills it where it stands, and reads on.
  bool dies_and_is_read() {
    kill(pid_, SIGKILL);
    int status = 0;
    if (waitpid(pid_, &status, 0) != pid_ || !WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
      return false;
    pid_ = -1;
    PinSlot slot = reads_->claim_slot();
    return is_right(slot.pin()) && is_right(first_, true);
  }

 private:
  /// The signal that stopped it; 0: it ended.
  int next_stop() {
    int status = 0;
    if (waitpid(pid_, &status, 0) != pid_) return 0;
    return WIFSTOPPED(status) ? WSTOPSIG(status) : 0;
  }

  const HostChild host_;
  pid_t pid_;  // -1: it has died
  std::optional<MappedArena> arena_;
  std::optional<ReadSide> reads_;
  PinSlot held_;
  Snapshot first_;
};

TEST_CASE("process: a host may die at any instruction of what it does, and is read on") {
  const int traced = soak_factor() > 1 ? traced_deaths_soak : traced_deaths;
  for (int number = 0; number < static_cast<int>(HostStep::last); ++number) {
    CAPTURE(host_steps[number]);
    const auto step = static_cast<HostStep>(number);
    const std::uint64_t length = TracedHost(step).advance(10'000'000);
    REQUIRE(length > 0);
    REQUIRE(length < 10'000'000);
    MESSAGE(host_steps[number], ": ", length, " instructions");
    for (int death = 0; death < traced; ++death) {
      const std::uint64_t instruction =
          length * static_cast<std::uint64_t>(death) / static_cast<std::uint64_t>(traced);
      CAPTURE(instruction);
      TracedHost host(step);
      host.advance(instruction);
      CHECK(host.dies_and_is_read());
    }
  }
}

}  // namespace process_faults_test
}  // namespace perch::tree::test
