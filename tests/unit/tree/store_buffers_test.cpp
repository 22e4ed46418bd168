// The pins with membarrier, and the wake-up, on a machine with store buffers: in every order of every step.
// Each part of them left out must show, or the model proves nothing.
#include "store_buffers.hpp"

#include <doctest/doctest.h>

namespace perch::tree::test {

namespace store_buffers_test {

using Machine = StoreBufferMachine;

// ---- Pins (see pin_protocol.hpp)

enum class Fence { none, own, everywhere };

struct Pinning {
  std::size_t readers = 2;
  Fence reader_fence = Fence::none;        // PinFences::light
  Fence writer_fence = Fence::everywhere;  // PinFences::heavy
  bool looks_again = true;
  bool scans_before_fence = false;
};

constexpr std::uint8_t versions = 3;
constexpr std::size_t published = 0;
constexpr std::size_t broken = 1;  // set by a reader that reads a node which was reused
constexpr std::size_t slot_of(std::size_t reader) { return 2 + reader; }
constexpr std::size_t node_of(std::size_t version) { return 5 + version; }

void execute(Machine& machine, std::size_t thread, Fence fence) {
  if (fence == Fence::own) machine.drain(thread);
  if (fence == Fence::everywhere) machine.drain_all();
}

/// Pins, reads its version's node twice, unpins. A single reader does all that twice.
bool step_reader(const Pinning& pinning, Machine& machine, std::size_t thread) {
  Machine::Thread& own = machine.threads[thread];
  std::uint8_t& word = own.registers[0];
  std::uint8_t& times = own.registers[1];
  const std::size_t slot = slot_of(thread);
  switch (own.at++) {
    case 0:
      word = machine.load(thread, published);
      break;
    case 1:
      machine.store(thread, slot, word);
      break;
    case 2:
      execute(machine, thread, pinning.reader_fence);
      break;
    case 3: {
      const std::uint8_t again = machine.load(thread, published);
      if (again == word || !pinning.looks_again) break;
      word = again;
      own.at = 1;
      break;
    }
    case 4:
    case 5:
      if (machine.load(thread, node_of(word)) != word) machine.memory[broken] = 1;
      break;
    case 6:
      machine.store(thread, slot, 0);
      break;
    default:
      own.at = 0;
      own.is_done = ++times == 3 - pinning.readers;
  }
  return true;
}

/// Publishes versions 2 and 3; after each it scans, and overwrites the nodes of older versions without a pin.
bool step_writer(const Pinning& pinning, Machine& machine, std::size_t thread) {
  Machine::Thread& own = machine.threads[thread];
  std::uint8_t& version = own.registers[0];
  std::uint8_t* const pins = &own.registers[1];
  const std::size_t readers = pinning.readers;
  const std::size_t scan_at = pinning.scans_before_fence ? 2 : 3;
  const std::size_t fence_at = pinning.scans_before_fence ? 2 + readers : 2;
  const std::size_t free_at = 3 + readers;
  const std::size_t at = own.at++;
  if (at == 0) {
    ++version;
    machine.store(thread, node_of(version), version);
  } else if (at == 1) {
    machine.store(thread, published, version);
  } else if (at == fence_at) {
    execute(machine, thread, pinning.writer_fence);
  } else if (at >= scan_at && at < scan_at + readers) {
    pins[at - scan_at] = machine.load(thread, slot_of(at - scan_at));
  } else if (at == free_at) {
    for (std::uint8_t dropped = 1; dropped < version; ++dropped) {
      bool is_pinned = false;
      for (std::size_t reader = 0; reader < readers; ++reader) is_pinned |= pins[reader] == dropped;
      if (!is_pinned) machine.store(thread, node_of(dropped), 0);
    }
    own.at = 0;
    own.is_done = version == versions;
  }
  return true;
}

SearchResult search(const Pinning& pinning) {
  Machine begin;
  begin.memory[published] = begin.memory[node_of(1)] = 1;
  const std::size_t writer = pinning.readers;
  begin.threads[writer].registers[0] = 1;
  return search_all(
      begin, pinning.readers + 1,
      [&](Machine& machine, std::size_t thread) {
        return thread == writer ? step_writer(pinning, machine, thread)
                                : step_reader(pinning, machine, thread);
      },
      [](const Machine& machine, bool) {
        return machine.memory[broken] != 0 ? "a pinned node was reused" : "";
      });
}

// ---- Sleeping (see ReadSide::wait_for_signal and wake_sleepers)

struct Sleeping {
  bool takes_signal_first = true;    // and then looks at what decides about sleeping
  bool counts_itself_locked = true;  // a locked instruction, with a fence in it
  bool kernel_compares = true;       // futex(2): sleep only while the word is what was seen
  bool changes_signal_locked = true;
  bool changes_signal_first = true;  // and then looks for sleepers
};

constexpr std::size_t command = 0;
constexpr std::size_t signal_word = 1;
constexpr std::size_t sleepers = 2;
constexpr std::size_t asleep = 3;  // the kernel's: whether the sleeper is in its queue
constexpr std::size_t sleeper_thread = 0;

bool step_sleeper(const Sleeping& sleeping, Machine& machine, std::size_t thread) {
  Machine::Thread& own = machine.threads[thread];
  std::uint8_t& seen = own.registers[0];
  std::uint8_t& count = own.registers[1];
  auto look = [&] { own.is_done = machine.load(thread, command); };
  auto take_signal = [&] { seen = machine.load(thread, signal_word); };
  switch (own.at++) {
    case 0:
      sleeping.takes_signal_first ? take_signal() : look();
      break;
    case 1:
      sleeping.takes_signal_first ? look() : take_signal();
      break;
    case 2:
      count = machine.load(thread, sleepers);
      if (sleeping.counts_itself_locked) machine.drain(thread);
      machine.store(thread, sleepers, count + 1);
      if (sleeping.counts_itself_locked) machine.drain(thread);
      break;
    case 3:  // the kernel compares and queues under a lock; that this is a fence too is not even needed
      if (!sleeping.kernel_compares || machine.load(thread, signal_word) == seen) machine.memory[asleep] = 1;
      break;
    case 4:
      if (machine.memory[asleep] != 0) {
        --own.at;
        return false;
      }
      machine.drain(thread);
      machine.memory[sleepers] -= 1;
      break;
    default:
      own.at = 0;
  }
  return true;
}

bool step_waker(const Sleeping& sleeping, Machine& machine, std::size_t thread) {
  Machine::Thread& own = machine.threads[thread];
  std::uint8_t& count = own.registers[0];
  auto change_signal = [&] {
    const std::uint8_t value = machine.load(thread, signal_word);
    machine.store(thread, signal_word, value + 1);
    if (sleeping.changes_signal_locked) machine.drain(thread);
  };
  auto look = [&] { count = machine.load(thread, sleepers); };
  switch (own.at++) {
    case 0:
      machine.store(thread, command, 1);
      break;
    case 1:
      sleeping.changes_signal_first ? change_signal() : look();
      break;
    case 2:
      sleeping.changes_signal_first ? look() : change_signal();
      break;
    default:
      if (count > 0) machine.memory[asleep] = 0;
      own.is_done = 1;
  }
  return true;
}

SearchResult search(const Sleeping& sleeping) {
  return search_all(
      {}, 2,
      [&](Machine& machine, std::size_t thread) {
        return thread == sleeper_thread ? step_sleeper(sleeping, machine, thread)
                                        : step_waker(sleeping, machine, thread);
      },
      [](const Machine& machine, bool is_end) {
        return is_end && machine.threads[sleeper_thread].is_done == 0 ? "the wake-up was lost" : "";
      });
}

TEST_CASE("store buffers: a machine without fences shows the reordering that all this is about") {
  // Two threads store their own word and load the other's: both may see nothing.
  bool both_missed = false;
  const SearchResult result = search_all(
      {}, 2,
      [](Machine& machine, std::size_t thread) {
        Machine::Thread& own = machine.threads[thread];
        if (own.at++ == 0) {
          machine.store(thread, thread, 1);
        } else {
          own.registers[0] = machine.load(thread, 1 - thread);
          own.is_done = 1;
        }
        return true;
      },
      [&](const Machine& machine, bool is_end) {
        both_missed |= is_end && machine.threads[0].registers[0] + machine.threads[1].registers[0] == 0;
        return "";
      });
  CHECK(both_missed);
  CHECK(result.states > 10);
}

TEST_CASE("store buffers: pins hold with membarrier, and with a fence on each side") {
  for (const std::size_t readers : {1U, 2U}) {
    Pinning pinning;
    pinning.readers = readers;
    const SearchResult with_membarrier = search(pinning);
    CHECK(with_membarrier.failure == "");
    CHECK(with_membarrier.states > 100);
    pinning.reader_fence = Fence::own;
    pinning.writer_fence = Fence::own;
    CHECK(search(pinning).failure == "");
  }
}

TEST_CASE("store buffers: pins do not hold when any part of the protocol is missing") {
  auto is_caught = [](auto change) {
    for (const std::size_t readers : {1U, 2U}) {
      Pinning pinning;
      pinning.readers = readers;
      change(pinning);
      if (search(pinning).failure.empty()) return false;
    }
    return true;
  };
  CHECK(is_caught([](Pinning& pinning) { pinning.writer_fence = Fence::none; }));
  CHECK(is_caught([](Pinning& pinning) { pinning.writer_fence = Fence::own; }));  // and none in the reader
  CHECK(is_caught([](Pinning& pinning) {
    pinning.reader_fence = Fence::own;
    pinning.writer_fence = Fence::none;
  }));
  CHECK(is_caught([](Pinning& pinning) { pinning.looks_again = false; }));
  CHECK(is_caught([](Pinning& pinning) { pinning.scans_before_fence = true; }));
}

TEST_CASE("store buffers: no wake-up is lost") {
  const SearchResult result = search(Sleeping{});
  CHECK(result.failure == "");
  CHECK(result.states > 20);
}

TEST_CASE("store buffers: wake-ups are lost when any part of the protocol is missing") {
  auto is_caught = [](auto change) {
    Sleeping sleeping;
    change(sleeping);
    return !search(sleeping).failure.empty();
  };
  CHECK(is_caught([](Sleeping& sleeping) { sleeping.takes_signal_first = false; }));
  CHECK(is_caught([](Sleeping& sleeping) { sleeping.counts_itself_locked = false; }));
  CHECK(is_caught([](Sleeping& sleeping) { sleeping.kernel_compares = false; }));
  CHECK(is_caught([](Sleeping& sleeping) { sleeping.changes_signal_locked = false; }));
  CHECK(is_caught([](Sleeping& sleeping) { sleeping.changes_signal_first = false; }));
}

}  // namespace store_buffers_test
}  // namespace perch::tree::test
