// The pin protocol under Relacy (Dmitry Vyukov's verifier of relaxed memory models): every interleaving and
// reordering that the C++ memory model allows, for a small re-statement of pins.cpp, Store::commit and
// Reclaimer.
//
// The protocol's own orders must pass. Each of them weakened must be caught: that is how we know that the
// model can fail, and which order is needed for what.
#include <relacy/relacy.hpp>

#include <cstdio>
#include <ostream>

namespace {

constexpr unsigned versions = 3;

struct Orders {
  rl::memory_order pin_first_load = rl::mo_seq_cst;  // PinSlot::pin
  rl::memory_order pin_store = rl::mo_seq_cst;
  rl::memory_order pin_second_load = rl::mo_seq_cst;
  rl::memory_order publish = rl::mo_seq_cst;  // Store::commit
  rl::memory_order scan = rl::mo_seq_cst;     // ReadSide::scan
  rl::memory_order unpin = rl::mo_release;    // PinSlot::unpin
  bool looks_again = true;
};

Orders orders;  // of the simulation that runs

/// Version v is node v. The writer drops v when it publishes v + 1, scans, and overwrites it when no slot
/// holds it. Thread 0 writes; thread 1 pins, reads and unpins, twice.
struct Pinning : rl::test_suite<Pinning, 2> {
  rl::atomic<unsigned> published;
  rl::atomic<unsigned> slot;
  rl::var<unsigned> nodes[versions + 1];  // Relacy reports a read that races with a write

  void before() {
    nodes[1]($) = 1;
    published($) = 1;
    slot($) = 0;
  }

  void thread(unsigned index) {
    if (index == 0)
      write();
    else
      for (int times = 0; times < 2; ++times) read();
  }

  void write() {
    for (unsigned version = 2; version <= versions; ++version) {
      nodes[version]($) = version;
      published.store(version, orders.publish, $);
      const unsigned dropped = version - 1;
      if (slot.load(orders.scan, $) != dropped) nodes[dropped]($) = 0;  // reused
    }
  }

  void read() {
    unsigned pinned = published.load(orders.pin_first_load, $);
    for (;;) {
      slot.store(pinned, orders.pin_store, $);
      const unsigned again = published.load(orders.pin_second_load, $);
      if (again == pinned || !orders.looks_again) break;
      pinned = again;
    }
    RL_ASSERT(nodes[pinned]($) == pinned);
    slot.store(0, orders.unpin, $);
  }
};

bool passes(const Orders& tried) {
  orders = tried;
  std::ostream nowhere(nullptr);  // the failing interleaving; print it when a result below is unexpected
  for (const rl::scheduler_type_e search : {rl::sched_full, rl::sched_random}) {
    rl::test_params params;
    params.search_type = search;
    params.iteration_count = search == rl::sched_full ? UINT64_MAX : 100000;
    params.output_stream = &nowhere;
    params.progress_stream = &nowhere;
    if (!rl::simulate<Pinning>(params)) return false;
    std::printf("%s search: %llu interleavings\n", search == rl::sched_full ? "full" : "random",
                static_cast<unsigned long long>(params.stop_iteration));
  }
  return true;
}

int failures = 0;

void expect(const char* name, bool expected, const Orders& tried) {
  const bool passed = passes(tried);
  std::printf("%-45s %s\n", name, passed == expected ? "ok" : expected ? "BROKEN" : "NOT CAUGHT");
  failures += passed != expected;
}

}  // namespace

int main() {
  expect("the protocol", true, {});
  Orders tried;
  tried.pin_store = rl::mo_release;
  expect("the pin's store only releases", false, tried);
  tried = {};
  tried.pin_second_load = rl::mo_acquire;
  expect("the pin's second load only acquires", false, tried);
  tried = {};
  tried.publish = rl::mo_release;
  expect("the publication only releases", false, tried);
  tried = {};
  tried.scan = rl::mo_acquire;
  expect("the scan only acquires", false, tried);
  tried = {};
  tried.unpin = rl::mo_relaxed;
  expect("unpinning is relaxed", false, tried);
  tried = {};
  tried.looks_again = false;
  expect("pinning does not look again", false, tried);
  return failures == 0 ? 0 : 1;
}
