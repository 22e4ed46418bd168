// Reader processes, as far as the tree sees them: a second mapping of the arena, pins in a page of their own.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <thread>

#include "support.hpp"
#include "tree/mapped_arena.hpp"

namespace perch::tree::test {
namespace process_test {

constexpr TableShape shape{1, 24};
constexpr std::int64_t second_ns = 1'000'000'000;

/// A reader process that happens to be in this one.
struct Process {
  explicit Process(Store& host) : store(host) {
    auto attached = host.reads().processes().attach();
    REQUIRE(attached.has_value());
    id = attached->id;
    auto arena = host.open_read_only();
    REQUIRE(arena.has_value());
    arena_fd = std::move(*arena);
    page_fd = std::move(attached->fd);
    auto mapped = MappedArena::map(arena_fd.get(), page_fd.get());
    REQUIRE_MESSAGE(mapped.has_value(), (mapped ? "" : mapped.error().message));
    memory = std::make_unique<MappedArena>(std::move(*mapped));
    reads = std::make_unique<ReadSide>(memory->base(), memory->slot_page());
  }
  ~Process() { store.reads().processes().detach(id); }

  Store& store;
  SlotPageId id = 0;
  UniqueFd arena_fd, page_fd;
  std::unique_ptr<MappedArena> memory;
  std::unique_ptr<ReadSide> reads;
};

void commit_row(Store& store, std::uint64_t key, std::uint64_t stamp) {
  put(store, 0, key_of(key), shape.value_bytes, stamp);
  store.commit(0, {});
}

std::uint64_t stamp_in(const Snapshot& snapshot, std::uint64_t key) {
  const std::byte* const value = snapshot.get(0, key_of(key).data());
  REQUIRE(value != nullptr);
  return stamp_of(value, shape.value_bytes);
}

/// Overwrites the row so often that anything not pinned has been reused.
void churn(Store& store, int commits) {
  for (int i = 0; i < commits; ++i) commit_row(store, 7, 1000 + static_cast<std::uint64_t>(i));
}

TEST_CASE("process: it reads what the host commits, and what it pins stays") {
  auto store = make_store();
  store->add_table(shape);
  commit_row(*store, 7, 1);
  Process process(*store);
  PinSlot slot = process.reads->claim_slot();
  const Snapshot before = slot.pin();
  CHECK(before.version() == 1);
  CHECK(stamp_in(before, 7) == 1);
  churn(*store, 3000);
  CHECK(stamp_in(before, 7) == 1);
  CHECK(store->reads().processes().pins(process.id).size() == 1);
  CHECK(stamp_in(slot.pin(), 7) == 3999);
  slot.unpin();
  store->reclaim_all();
  CHECK(store->stats().retained_bytes == 0);
  CHECK(store->check() == "");
}

TEST_CASE("process: once it is detached its pins count no more") {
  auto store = make_store();
  store->add_table(shape);
  commit_row(*store, 7, 1);
  {
    Process process(*store);
    PinSlot slot = process.reads->claim_slot();
    slot.pin();
    churn(*store, 10);
    store->reclaim_all();
    CHECK(store->stats().retained_bytes > 0);
    store->reads().processes().detach(process.id);
    store->reclaim_all();
    CHECK(store->stats().retained_bytes == 0);
    CHECK(store->reads().processes().count() == 0);
  }
  CHECK(store->check() == "");
}

TEST_CASE("process: words that are no pins cost nothing but memory, and hurt nobody") {
  auto store = make_store();
  store->add_table(shape);
  Process process(*store);
  auto& slots = process.memory->slot_page()->pins;
  Random random(17);
  slots.used.store(UINT32_MAX, std::memory_order_relaxed);
  for (int round = 0; round < 200; ++round) {
    for (auto& slot : slots.slots) slot.word.store(random.next(), std::memory_order_relaxed);
    churn(*store, 5);
    store->reclaim_all();
  }
  CHECK(store->check() == "");
  for (auto& slot : slots.slots) slot.word.store(0, std::memory_order_relaxed);
  store->reclaim_all();
  CHECK(store->stats().retained_bytes == 0);
}

TEST_CASE("process: it has a bounded number of slots, and gets them back") {
  auto store = make_store();
  Process process(*store);
  std::vector<PinSlot> slots;
  while (auto slot = process.reads->try_claim_slot()) slots.push_back(std::move(*slot));
  CHECK(slots.size() == SlotPage::slots_max - 1);  // one is the host's
  slots.pop_back();
  CHECK(process.reads->try_claim_slot().has_value());
}

TEST_CASE("process: a pin is passed on to the host, and from there to another process") {
  auto store = make_store();
  store->add_table(shape);
  commit_row(*store, 7, 1);
  auto giver = std::make_unique<Process>(*store);
  SharedSnapshot given = giver->reads->acquire();
  const std::uint64_t word = given.word();
  SharedSnapshot held = store->reads().take_over(giver->id, word);
  REQUIRE(held != nullptr);
  given.reset();
  CHECK(store->reads().take_over(giver->id, word) == nullptr);
  giver.reset();
  churn(*store, 3000);

  Process receiver(*store);
  CHECK(receiver.reads->handed_over() == nullptr);
  REQUIRE(store->reads().processes().hand_over(receiver.id, word));
  held.reset();
  churn(*store, 3000);
  {
    const SharedSnapshot snapshot = receiver.reads->handed_over();
    REQUIRE(snapshot != nullptr);
    CHECK(snapshot->snapshot().version() == 1);
    CHECK(stamp_in(snapshot->snapshot(), 7) == 1);
  }
  store->reclaim_all();
  CHECK(store->stats().retained_bytes == 0);
  CHECK_FALSE(store->reads().processes().hand_over(999, word));
}

TEST_CASE("process: it sleeps until the next commit, or until one of its own wakes it") {
  auto store = make_store();
  store->add_table(shape);
  Process process(*store);
  ReadSide& reads = *process.reads;
  std::atomic<int> woken{0};
  std::thread sleeper([&] {
    for (int i = 0; i < 2; ++i) {
      const std::uint32_t seen = reads.signal();
      while (woken.load() == i && reads.signal() == seen) reads.wait_for_signal(seen, 60 * second_ns);
      ++woken;
    }
  });
  const auto wait_until_asleep = [&] {
    while (process.memory->slot_page()->sleepers.load() == 0) std::this_thread::yield();
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  };
  wait_until_asleep();
  commit_row(*store, 1, 1);
  while (woken.load() < 1) std::this_thread::yield();
  wait_until_asleep();
  reads.wake_sleepers();
  sleeper.join();
  CHECK(woken.load() == 2);
  const auto before = std::chrono::steady_clock::now();
  reads.wait_for_signal(reads.signal(), 20'000'000);
  CHECK(std::chrono::steady_clock::now() - before < std::chrono::seconds(60));
}

TEST_CASE("process: readers check every row while the writer writes") {
  auto store = make_store();
  store->add_table(shape);
  constexpr std::uint64_t keys = 500;
  for (std::uint64_t key = 0; key < keys; ++key) put(*store, 0, key_of(key), shape.value_bytes, key);
  store->commit(0, {});
  Process process(*store);
  std::atomic<bool> done{false};
  std::atomic<std::uint64_t> wrong{0}, scans{0};
  std::vector<std::thread> readers;
  for (int i = 0; i < 2; ++i) {
    readers.emplace_back([&] {
      PinSlot slot = process.reads->claim_slot();
      while (!done.load()) {
        if (!rows_are_right(slot.pin(), 0, shape, keys)) ++wrong;
        ++scans;
      }
    });
  }
  Random random(3);
  for (std::uint64_t i = 1; i < 20'000 * soak_factor() / brevity || scans.load() < 10; ++i) {
    const std::uint64_t key = random.below(keys);
    commit_row(*store, key, key + keys * i);
  }
  done.store(true);
  for (auto& reader : readers) reader.join();
  CHECK(wrong.load() == 0);
  CHECK(store->check() == "");
}

TEST_CASE("process: what it was given can be neither written, resized nor opened up") {
  auto store = make_store();
  Process process(*store);
  const int arena = process.arena_fd.get();
  const int page = process.page_fd.get();
  const auto writable = [](int fd) {
    void* const mapped = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    return mapped != MAP_FAILED;
  };
  CHECK_FALSE(writable(arena));
  const std::string path = "/proc/self/fd/" + std::to_string(arena);
  const UniqueFd reopened(open(path.c_str(), O_RDWR));  // the same user may; the seals hold
  if (reopened) {
    CHECK_FALSE(writable(reopened.get()));
    CHECK(pwrite(reopened.get(), "x", 1, 0) < 0);
    CHECK(ftruncate(reopened.get(), 0) < 0);
    CHECK(fallocate(reopened.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096) < 0);
  }
  CHECK(mprotect(const_cast<std::byte*>(process.memory->base()), 4096, PROT_READ | PROT_WRITE) < 0);
  CHECK(ftruncate(page, 0) < 0);
  CHECK(fcntl(page, F_ADD_SEALS, F_SEAL_WRITE) < 0);
  CHECK(fcntl(arena, F_ADD_SEALS, F_SEAL_WRITE) < 0);
}

TEST_CASE("process: a child that it forks has none of it") {
  auto store = make_store();
  store->add_table(shape);
  commit_row(*store, 7, 1);
  Process process(*store);
  const auto readable = [](const void* address) {
    // mincore(2) says ENOMEM for what is not mapped.
    unsigned char there = 0;
    return mincore(const_cast<void*>(address), 1, &there) == 0;
  };
  CHECK(readable(process.memory->base()));
  const pid_t child = fork();
  if (child == 0) _exit(readable(process.memory->base()) || readable(process.memory->slot_page()) ? 1 : 0);
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(status == 0);
}

}  // namespace process_test
}  // namespace perch::tree::test
