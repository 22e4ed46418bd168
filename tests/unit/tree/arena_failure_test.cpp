// A system that gives no memory when it is asked for some, at each of the moments when it is asked.
#include <sys/stat.h>

#include <atomic>
#include <cerrno>
#include <thread>

#include "support.hpp"

namespace perch::tree::test {

namespace arena_failure_test {

enum class Who { anyone, writer, helper };

/// What a test's arena asks for memory. Calls from number `first` on (of those made by `who`) fail, `count`
/// of them, or until `relieve`. Outlives the store.
class FailingMemory {
 public:
  FailingMemory(int error, int first, int count, Who who = Who::anyone)
      : error_(error), first_(first), count_(count), who_(who) {}

  CommitMemory function() {
    return [this](int fd, std::uint64_t offset, std::uint64_t bytes) {
      fd_.store(fd);
      const bool counts =
          who_ == Who::anyone || (who_ == Who::writer) == (std::this_thread::get_id() == writer_);
      if (counts) {
        const int call = calls_.fetch_add(1) + 1;
        if (call >= first_ && call - first_ < count_.load()) {
          failures_.fetch_add(1);
          return error_;
        }
      }
      given_bytes_.fetch_add(bytes);  // before: the file grows while the helper is in there
      const int result = commit_with_fallocate(fd, offset, bytes);
      if (result != 0) given_bytes_.fetch_sub(bytes);
      return result;
    };
  }
  void relieve() { count_.store(0); }
  int failures() const { return failures_.load(); }

  /// Whether the arena has memory that it never asked for: it was touched, which ends in SIGBUS on a full
  /// system.
  bool touched_more_than_given() const {
    struct stat status {};
    expect(fstat(fd_.load(), &status) == 0, "fstat of the arena");
    return static_cast<std::uint64_t>(status.st_blocks) * 512 > given_bytes_.load();
  }

 private:
  const int error_;
  const int first_;
  std::atomic<int> count_;
  const Who who_;
  const std::thread::id writer_ = std::this_thread::get_id();
  std::atomic<int> calls_{0};
  std::atomic<int> failures_{0};
  std::atomic<std::uint64_t> given_bytes_{0};
  std::atomic<int> fd_{-1};
};

constexpr int forever = 1'000'000'000;
constexpr TableShape shape{1, 2000, 0, 0};
constexpr std::uint64_t arena_bytes = std::uint64_t{32} << 20;
constexpr std::uint64_t row_count = 8000;  // fit with room to spare

Result<std::unique_ptr<Store>> make_store(FailingMemory& memory) {
  StoreOptions options;
  options.arena_bytes = arena_bytes;
  options.commit_memory = memory.function();
  return Store::create(options);
}

/// A store that is filled with row_count rows, and its model.
struct Filling {
  Filling(Store& the_store, FailingMemory& the_memory)
      : store(the_store), memory(the_memory), table(store.add_table(shape)) {}

  Store& store;
  FailingMemory& memory;
  const TableIndex table;
  Model model;
  std::uint64_t next = 0;

  /// False when the store says that there is no room.
  bool put_next() {
    if (!store.has_room()) return false;
    const Key key = key_of(mix(next));
    fill_value(store.upsert(table, key.data()).value, shape.value_bytes, next);
    model[key] = next;
    if (++next % 64 == 0) store.commit(0, {});
    return true;
  }

  void expect_intact() {
    store.commit(0, {});
    const std::string problem = store.check();
    expect(problem.empty(), problem);
    expect_equal(store.reads().acquire()->snapshot(), table, shape, model);
    CHECK(!memory.touched_more_than_given());
  }
};

/// Fills a store whose memory fails; for each refusal calls refused(filling), which has to bring the room
/// back. False: the store was not even made, and said why.
template <class Refused>
bool fill(FailingMemory& memory, int error, Refused refused) {
  auto store = make_store(memory);
  if (!store) {
    CHECK(store.error().kind == ErrorKind::exhausted);
    CHECK(store.error().message.find(std::strerror(error)) != std::string::npos);
    return false;
  }
  Filling filling(**store, memory);
  while (filling.next < row_count) {
    if (!filling.put_next()) refused(filling);
  }
  filling.expect_intact();
  return true;
}

TEST_CASE("arena failure: one refusal at any call is got over") {
  for (const int error : {ENOSPC, ENOMEM}) {
    int reached = 1;
    for (int first = 1; reached > 0; ++first) {
      CAPTURE(error);
      CAPTURE(first);
      REQUIRE(first < 100);
      FailingMemory memory(error, first, 1);
      int refusals = 0;
      const bool made = fill(memory, error, [&](Filling&) { expect(++refusals < 10, "no room again"); });
      CHECK(made == (first > 1));
      reached = memory.failures();
    }
  }
}

TEST_CASE("arena failure: while the system has no memory the store says no, keeps all, and goes on after") {
  for (const int error : {ENOSPC, ENOMEM, EINTR}) {
    int reached = 1;
    for (int first = 2; reached > 0; ++first) {
      CAPTURE(error);
      CAPTURE(first);
      REQUIRE(first < 100);
      FailingMemory memory(error, first, forever);
      int refusals = 0;
      fill(memory, error, [&](Filling& filling) {
        expect(++refusals == 1, "memory is there and the store says no");
        CHECK(filling.store.stats().commit_error == error);
        CHECK(filling.store.stats().committed_bytes < arena_bytes);
        for (int i = 0; i < 100; ++i) CHECK(!filling.store.has_room());
        filling.expect_intact();
        for (int i = 0; i < 50; ++i) {
          REQUIRE(filling.store.has_room_to_erase());
          const Key key = filling.model.begin()->first;
          CHECK(filling.store.erase(filling.table, key.data()));
          filling.model.erase(key);
        }
        filling.expect_intact();
        memory.relieve();
        // Until it has to ask again.
        while (filling.store.stats().commit_error != 0) expect(filling.put_next(), "there is memory again");
      });
      reached = memory.failures();
    }
  }
}

TEST_CASE("arena failure: an interrupted call is made again") {
  int reached = 1;
  for (int first = 1; reached > 0; ++first) {
    CAPTURE(first);
    REQUIRE(first < 100);
    FailingMemory memory(EINTR, first, 3);
    CHECK(fill(memory, EINTR, [](Filling&) { FAIL("an interruption became a refusal"); }));
    reached = memory.failures();
  }
}

TEST_CASE(
    "arena failure: what the helper thread cannot get ahead of need, the writer gets when it needs it") {
  FailingMemory memory(ENOMEM, 1, forever, Who::helper);
  CHECK(fill(memory, ENOMEM, [](Filling&) { FAIL("the writer was refused"); }));
  CHECK(memory.failures() > 0);
}

TEST_CASE("arena failure: memory for what is needed is enough where a whole step is refused") {
  StoreOptions options;
  options.arena_bytes = arena_bytes;
  std::atomic<std::uint64_t> refused{0};
  std::atomic<bool> made{false};
  options.commit_memory = [&](int fd, std::uint64_t offset, std::uint64_t bytes) {
    if (made.load() && bytes > (std::uint64_t{1} << 20)) {
      refused.fetch_add(1);
      return ENOSPC;
    }
    return commit_with_fallocate(fd, offset, bytes);
  };
  auto store = Store::create(options);
  REQUIRE(store);
  made.store(true);
  const TableIndex table = (*store)->add_table(shape);
  for (std::uint64_t i = 0; i < row_count; ++i) put(**store, table, key_of(mix(i)), shape.value_bytes, i);
  CHECK(refused.load() > 0);
}

TEST_CASE("arena failure: the writer alone is refused for a while") {
  FailingMemory memory(ENOSPC, 2, 5, Who::writer);  // the first call is the store's making
  int refusals = 0;
  CHECK(fill(memory, ENOSPC, [&](Filling& filling) {
    expect(++refusals < 100, "the writer is refused for ever");
    CHECK(filling.store.check() == "");
  }));
}

}  // namespace arena_failure_test
}  // namespace perch::tree::test
