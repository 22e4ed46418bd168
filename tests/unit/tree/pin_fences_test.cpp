// Pins where membarrier(2) is missing, or stops working: a seccomp filter in a thread of its own refuses it.
#include "tree/pin_fences.hpp"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstddef>
#include <iterator>
#include <thread>

#include "support.hpp"

namespace perch::tree::test {

namespace pin_fences_test {

/// From now on membarrier fails with `error` in this thread. False: the system has no seccomp.
bool refuse_membarrier(std::uint32_t error) {
  sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_membarrier, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog filter{std::size(program), program};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

/// Commits that each drop what the one before made.
void update(Store& store, TableIndex table, int commits) {
  for (int i = 0; i < commits; ++i) {
    put(store, table, key_of(1), 8, static_cast<std::uint64_t>(i));
    store.commit(0, {});
  }
}

template <class Body>
void run_in_thread(Body body) {
  std::thread thread(body);
  thread.join();
}

TEST_CASE("pin fences: without membarrier pins are sequentially consistent, and nothing else changes") {
  bool is_refused = false;
  PinMode mode{};
  std::uint64_t held_rows = 0;
  std::uint64_t retained_bytes = 1;
  run_in_thread([&] {
    is_refused = refuse_membarrier(ENOSYS);
    if (!is_refused) return;
    auto store = make_store();
    mode = PinFences::choose().mode();
    const TableIndex table = store->add_table({1, 8, 3, 3});
    update(*store, table, 10);
    SharedSnapshot held = store->reads().acquire();
    update(*store, table, 200);
    held_rows = held->snapshot().rows(table);
    held.reset();
    store->reclaim_all();
    retained_bytes = store->stats().retained_bytes;
  });
  if (!is_refused) return;
  CHECK(mode == PinMode::sequential);
  CHECK(held_rows == 1);
  CHECK(retained_bytes == 0);
}

TEST_CASE("pin fences: while the kernel refuses a barrier nothing is reclaimed, and afterwards all of it") {
  auto store = make_store();
  if (PinFences::choose().mode() != PinMode::membarrier) return;  // a sanitizer's build, or PERCH_PINS
  const TableIndex table = store->add_table({1, 8, 3, 3});
  update(*store, table, 10);
  store->reclaim_all();
  CHECK(store->stats().retained_bytes == 0);
  bool is_refused = false;
  std::uint64_t freed_bytes = 0;
  run_in_thread([&] {  // the writer is this thread for a while
    is_refused = refuse_membarrier(ENOMEM);
    if (!is_refused) return;
    update(*store, table, 3000);  // beyond what a commit looks at the pins for
    const std::uint64_t before = store->stats().retained_bytes;
    store->reclaim_all();
    freed_bytes = before - store->stats().retained_bytes;
  });
  if (!is_refused) return;
  CHECK(freed_bytes == 0);
  CHECK(store->stats().retained_bytes >= 3000 * unit_bytes);
  CHECK(store->check() == "");
  store->reclaim_all();
  CHECK(store->stats().retained_bytes == 0);
  CHECK(store->check() == "");
}

}  // namespace pin_fences_test
}  // namespace perch::tree::test
