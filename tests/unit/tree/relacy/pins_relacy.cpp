// The pin protocol under Relacy (Dmitry Vyukov's verifier of relaxed memory models): the host's own code, in
// every interleaving and with every stale load that the C++ memory model allows.
//
// The host's orders must pass. Each of them weakened must be caught: that is how we know that the test can
// fail, and which order is needed for what.
#include "relacy_atomics.hpp"

#include <cstdio>
#include <cstdlib>
#include <ostream>
#include <string>

namespace perch::tree::test {
namespace {

using Protocol = PinProtocol<RelacyAtomics>;
using Word = Protocol::Atomic<std::uint64_t>;
using Slots = Protocol::Slots<1>;  // a chunk each: the chain grows with the second claim

constexpr std::uint64_t versions = 3;

/// A tree of one node per version: version v's lives [v, v + 1). The writer publishes, looks at the pins, and
/// overwrites the nodes that are free. Relacy reports a read that races with a write, the assertion one that
/// comes after it.
struct Tree {
  Word published{1};
  Slots slots;
  // Another process's, and the mutex that scans hold as long as they look at such.
  Protocol::ForeignSlots<2> foreign;
  rl::mutex processes;
  rl::var<std::uint64_t> nodes[versions + 1];

  static inline bool mutex_is_missing = false;  // scans and passing on do not exclude each other

  void begin() { nodes[1]($) = 1; }

  void write() {
    bool is_free[versions + 1] = {};
    for (std::uint64_t version = 2; version <= versions; ++version) {
      nodes[version]($) = version;
      Protocol::publish(published, version);
      tick();
      RelacyFences().heavy();
      std::uint64_t pinned[8];
      std::uint64_t* end = pinned;
      const auto add = [&end](std::uint64_t word) { *end++ = word; };
      lock();
      slots.scan(add);
      foreign.scan(add);
      unlock();
      std::sort(pinned, end);
      for (std::uint64_t dropped = 1; dropped < version; ++dropped) {
        if (is_free[dropped] || Protocol::newest_that_sees(pinned, end, dropped, dropped + 1,
                                                           [](std::uint64_t word) { return word; }) != end) {
          continue;
        }
        nodes[dropped]($) = 0;
        is_free[dropped] = true;
      }
    }
  }

  void lock() {
    if (!mutex_is_missing) processes.lock($);
  }
  void unlock() {
    if (!mutex_is_missing) processes.unlock($);
  }

  std::uint64_t pin(Protocol::Slot& slot) { return Protocol::pin(published, slot, RelacyFences()); }
  void verify(std::uint64_t pinned) {
    tick();
    RL_ASSERT(nodes[pinned]($) == pinned);
  }

 private:
  /// Lets others run, as any atomic access does, and Relacy's system-wide fence does not; and without one,
  /// what a thread reads after another's system-wide fence would count as read before it.
  void tick() { (void)clock_.load(rl::mo_relaxed); }
  Word clock_{0};
};

/// A reader pins, and pins again without unpinning.
struct Pinning : rl::test_suite<Pinning, 2> {
  Tree tree;
  void before() { tree.begin(); }
  void thread(unsigned index) {
    if (index == 0) return tree.write();
    Protocol::Slot& slot = tree.slots.claim();
    tree.verify(tree.pin(slot));
    tree.verify(tree.pin(slot));
    Protocol::unpin(slot);
    Protocol::give_back(slot);
  }
};

/// Two readers claim slots, of which there is one at first: they extend the chain, or take over from each
/// other.
struct Claiming : rl::test_suite<Claiming, 3> {
  Tree tree;
  void before() { tree.begin(); }
  void thread(unsigned index) {
    if (index == 0) return tree.write();
    Protocol::Slot& slot = tree.slots.claim();
    tree.verify(tree.pin(slot));
    Protocol::unpin(slot);
    Protocol::give_back(slot);
  }
};

/// A reader shares its pin with another: whoever comes last gives it back.
struct Sharing : rl::test_suite<Sharing, 3> {
  Tree tree;
  Protocol::Atomic<std::uint64_t> passed{0};  // the pinned word, from one holder to the other
  Protocol::Slot* slot = nullptr;
  void before() {
    tree.begin();
    slot = &tree.slots.claim();
  }
  void thread(unsigned index) {
    if (index == 0) return tree.write();
    std::uint64_t pinned = 0;
    if (index == 1) {
      pinned = tree.pin(*slot);
      Protocol::hold(*slot);
      Protocol::share(*slot);
      passed.store(pinned, rl::mo_release);
    } else {
      while (pinned == 0) {
        pinned = passed.load(rl::mo_acquire);
        if (pinned == 0) rl::yield(1, $);
      }
    }
    tree.verify(pinned);
    Protocol::drop_share(*slot);
  }
};

/// Two threads of another process pin in its page.
struct OtherProcess : rl::test_suite<OtherProcess, 3> {
  Tree tree;
  void before() { tree.begin(); }
  void thread(unsigned index) {
    if (index == 0) return tree.write();
    Protocol::Slot* const slot = tree.foreign.claim();
    RL_ASSERT(slot != nullptr);
    tree.verify(tree.pin(*slot));
    Protocol::unpin(*slot);
    Protocol::give_back(*slot);
  }
};

/// A process passes its pin on to the host, which passes it on to another slot of a process: each gives its
/// own up as soon as the next has it.
struct PassingOn : rl::test_suite<PassingOn, 3> {
  Tree tree;
  Protocol::Atomic<std::uint64_t> offered{0};
  Protocol::Atomic<std::uint64_t> taken{0};
  Protocol::Slot* host = nullptr;
  void before() {
    tree.begin();
    host = &tree.slots.claim();
  }
  void thread(unsigned index) {
    if (index == 0) return tree.write();
    if (index == 1) {
      Protocol::Slot& slot = tree.foreign.slots[0];
      tree.foreign.used.store(2, rl::mo_relaxed);
      offered.store(tree.pin(slot), rl::mo_release);
      while (taken.load(rl::mo_acquire) == 0) rl::yield(1, $);
      Protocol::unpin(slot);
      return;
    }
    std::uint64_t word = 0;
    while ((word = offered.load(rl::mo_acquire)) == 0) rl::yield(1, $);
    tree.lock();
    RL_ASSERT(tree.foreign.copy_pin(word, *host));
    tree.unlock();
    taken.store(1, rl::mo_release);
    tree.lock();
    tree.foreign.slots[1].word.store(word, RelacyAtomics::pin_store);
    tree.unlock();
    Protocol::unpin(*host);
    tree.verify(word);
    Protocol::unpin(tree.foreign.slots[1]);
    Protocol::give_back(*host);
  }
};

template <class Suite>
bool passes(rl::scheduler_type_e search, rl::iteration_t iterations) {
  std::ostream nowhere(nullptr);
  rl::test_params params;
  params.search_type = search;
  params.iteration_count = iterations;
  const bool is_shown = std::getenv("PERCH_RELACY_SHOW") != nullptr;  // the failing interleaving
  params.output_stream = is_shown ? &std::cout : &nowhere;
  params.progress_stream = &nowhere;
  return rl::simulate<Suite>(params);
}

/// Processes other than the host pin with the sequential fences, whichever the host's are.
bool others_pass() {
  if (RelacyFences::membarrier) return true;
  return passes<OtherProcess>(rl::sched_random, 200'000) && passes<PassingOn>(rl::sched_random, 300'000);
}

/// So many iterations that the rarest of the mistakes below is found several times.
bool all_pass() {
  return passes<Pinning>(rl::sched_random, 100'000) && passes<Claiming>(rl::sched_random, 1'000'000) &&
         passes<Sharing>(rl::sched_random, 100'000) && others_pass();
}

int failures = 0;

void expect(bool expected, const std::string& name) {
  const bool passed = all_pass();
  std::printf("%-70s %s\n", name.c_str(),
              passed == expected ? (passed ? "passes" : "caught")
              : expected         ? "BROKEN"
                                 : "NOT CAUGHT");
  std::fflush(stdout);
  failures += passed != expected;
}

struct NamedOrder {
  const char* name;
  rl::memory_order& order;
};

const NamedOrder named_orders[] = {
    {"pin_store", RelacyAtomics::pin_store},
    {"pin_confirm", RelacyAtomics::pin_confirm},
    {"unpin", RelacyAtomics::unpin},
    {"publish", RelacyAtomics::publish},
    {"scan", RelacyAtomics::scan},
    {"claim", RelacyAtomics::claim},
    {"give_back", RelacyAtomics::give_back},
    {"link_chunk", RelacyAtomics::link_chunk},
    {"next_chunk", RelacyAtomics::next_chunk},
    {"drop_share", RelacyAtomics::drop_share},
};

/// Whether no test can tell the order from a weaker one; the argument is in pin_protocol.hpp.
bool is_only_argued(const NamedOrder& named) {
  return !RelacyFences::membarrier && &named.order == &RelacyAtomics::pin_confirm;
}

void expect_weaker_is_caught(const NamedOrder& named, const std::string& mode) {
  const rl::memory_order host = named.order;
  auto weaken_to = [&](rl::memory_order weaker) {
    named.order = weaker;
    expect(is_only_argued(named),
           mode + ": " + named.name + " " + rl::format(host) + " -> " + rl::format(weaker));
    named.order = host;
  };
  if (host == rl::mo_acq_rel) {
    weaken_to(rl::mo_acquire);
    weaken_to(rl::mo_release);
  } else {
    weaken_to(rl::mo_relaxed);
  }
}

int run() {
  for (const bool membarrier : {true, false}) {
    RelacyFences::membarrier = membarrier;
    const std::string mode = membarrier ? "membarrier" : "sequential";
    expect(true, mode + ": the host's orders");
    for (const NamedOrder& named : named_orders) expect_weaker_is_caught(named, mode);
    RelacyFences::heavy_is_missing = true;
    expect(false, mode + ": no heavy fence");
    RelacyFences::heavy_is_missing = false;
  }
  Tree::mutex_is_missing = true;
  expect(false, "sequential: a pin passed on in the middle of a scan");
  Tree::mutex_is_missing = false;
  RelacyFences::light_order = rl::mo_acq_rel;
  expect(false, "sequential: light fence seq_cst -> acq_rel");
  RelacyFences::light_order = rl::mo_seq_cst;
  RelacyFences::heavy_order = rl::mo_acq_rel;
  expect(false, "sequential: heavy fence seq_cst -> acq_rel");
  RelacyFences::heavy_order = rl::mo_seq_cst;
  return failures == 0 ? 0 : 1;
}

}  // namespace
}  // namespace perch::tree::test

int main() { return perch::tree::test::run(); }
