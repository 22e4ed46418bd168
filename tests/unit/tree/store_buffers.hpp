// A machine with store buffers, and a search of all that can happen on it.
//
// x86-TSO (Owens, Sarkar, Sewell 2009): each thread's stores go through a first-in first-out buffer of its
// own and reach memory one at a time, at any time; a thread sees its own stores at once. So a load may
// overtake an older store: what fences are for, and what sanitizers cannot see, nor Relacy for the kernel's
// barrier.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <type_traits>
#include <unordered_set>
#include <utility>
#include <vector>

namespace perch::tree::test {

struct StoreBufferMachine {
  static constexpr std::size_t words = 12;
  static constexpr std::size_t threads_max = 3;
  static constexpr std::size_t register_count = 8;
  static constexpr std::size_t buffer_max = 6;

  struct Thread {
    std::array<std::uint8_t, register_count> registers{};
    std::array<std::uint8_t, buffer_max> addresses{};  // of the buffered stores, the oldest first
    std::array<std::uint8_t, buffer_max> values{};
    std::uint8_t buffered = 0;
    std::uint8_t at = 0;  // the step that comes next
    std::uint8_t is_done = 0;
  };

  std::array<std::uint8_t, words> memory{};
  std::array<Thread, threads_max> threads{};

  std::uint8_t load(std::size_t thread, std::size_t address) const {
    const Thread& own = threads[thread];
    for (std::size_t i = own.buffered; i-- > 0;)
      if (own.addresses[i] == address) return own.values[i];
    return memory[address];
  }
  /// A full buffer makes the thread wait for its oldest store.
  void store(std::size_t thread, std::size_t address, std::uint8_t value) {
    Thread& own = threads[thread];
    if (own.buffered == buffer_max) drain_oldest(thread);
    own.addresses[own.buffered] = static_cast<std::uint8_t>(address);
    own.values[own.buffered++] = value;
  }
  void drain_oldest(std::size_t thread) {
    Thread& own = threads[thread];
    memory[own.addresses[0]] = own.values[0];
    --own.buffered;
    for (std::size_t i = 0; i < own.buffered; ++i) {
      own.addresses[i] = own.addresses[i + 1];
      own.values[i] = own.values[i + 1];
    }
    own.addresses[own.buffered] = own.values[own.buffered] = 0;  // equal states shall have equal bytes
  }
  /// A fence, or what a locked instruction begins with.
  void drain(std::size_t thread) {
    while (threads[thread].buffered > 0) drain_oldest(thread);
  }
  /// membarrier(2): every running thread has executed a fence.
  void drain_all() {
    for (std::size_t thread = 0; thread < threads_max; ++thread) drain(thread);
  }
};
static_assert(std::has_unique_object_representations_v<StoreBufferMachine>);

/// What a step did: false, the thread cannot go on at the moment (the machine must be unchanged).
using Step = std::function<bool(StoreBufferMachine&, std::size_t thread)>;

struct SearchResult {
  std::string failure;  ///< "" when nothing went wrong in any order
  std::size_t states = 0;
};

/// Runs `thread_count` threads in every order of their steps and of their buffers' drains. `step` executes
/// the next step of a thread that is not done; `verify` says what is wrong with a state ("" for nothing), and
/// is told whether anything can still happen.
inline SearchResult search_all(
    const StoreBufferMachine& begin, std::size_t thread_count, const Step& step,
    const std::function<std::string(const StoreBufferMachine&, bool is_end)>& verify) {
  SearchResult result;
  std::unordered_set<std::string> seen;
  std::vector<StoreBufferMachine> open;
  auto reach = [&](const StoreBufferMachine& state) {
    std::string bytes(sizeof state, '\0');
    std::memcpy(bytes.data(), &state, sizeof state);
    if (seen.insert(std::move(bytes)).second) open.push_back(state);
  };
  reach(begin);
  while (!open.empty() && result.failure.empty()) {
    const StoreBufferMachine state = open.back();
    open.pop_back();
    bool is_end = true;
    for (std::size_t thread = 0; thread < thread_count; ++thread) {
      if (state.threads[thread].buffered > 0) {
        StoreBufferMachine next = state;
        next.drain_oldest(thread);
        reach(next);
        is_end = false;
      }
      StoreBufferMachine next = state;
      if (state.threads[thread].is_done == 0 && step(next, thread)) {
        reach(next);
        is_end = false;
      }
    }
    result.failure = verify(state, is_end);
  }
  result.states = seen.size();
  return result;
}

}  // namespace perch::tree::test
