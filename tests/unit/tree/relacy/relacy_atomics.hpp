// The pin protocol's atomics under Relacy: the host's orders, each of which a test may weaken.
#pragma once

// First: Relacy makes macros of new and delete.
#include "tree/pin_protocol.hpp"

#include <relacy/relacy.hpp>

#include <cstdint>

namespace perch::tree::test {

constexpr rl::memory_order relacy_order(std::memory_order order) {
  switch (order) {
    case std::memory_order::relaxed:
      return rl::mo_relaxed;
    case std::memory_order::consume:
      return rl::mo_consume;
    case std::memory_order::acquire:
      return rl::mo_acquire;
    case std::memory_order::release:
      return rl::mo_release;
    case std::memory_order::acq_rel:
      return rl::mo_acq_rel;
    case std::memory_order::seq_cst:
      break;
  }
  return rl::mo_seq_cst;
}

struct RelacyAtomics {
  /// What the protocol uses of std::atomic.
  template <class T>
  class Atomic {
   public:
    Atomic(T value) : atomic_(value) {}
    T load(rl::memory_order order) const { return atomic_.load(order, $); }
    void store(T value, rl::memory_order order) { atomic_.store(value, order, $); }
    T fetch_add(T value, rl::memory_order order) { return atomic_.fetch_add(value, order, $); }
    T fetch_sub(T value, rl::memory_order order) { return atomic_.fetch_sub(value, order, $); }
    bool compare_exchange_strong(T& expected, T value, rl::memory_order success, rl::memory_order failure) {
      return atomic_.compare_exchange_strong(expected, value, success, $, failure, $);
    }
    bool compare_exchange_weak(T& expected, T value, rl::memory_order success, rl::memory_order failure) {
      return atomic_.compare_exchange_weak(expected, value, success, $, failure, $);
    }

   private:
    rl::atomic<T> atomic_;
  };

#define PERCH_RELACY_ORDER(name) static inline rl::memory_order name = relacy_order(HostAtomics::name)
  PERCH_RELACY_ORDER(pin_candidate);
  PERCH_RELACY_ORDER(pin_store);
  PERCH_RELACY_ORDER(pin_confirm);
  PERCH_RELACY_ORDER(unpin);
  PERCH_RELACY_ORDER(publish);
  PERCH_RELACY_ORDER(scan);
  PERCH_RELACY_ORDER(claim_look);
  PERCH_RELACY_ORDER(claim);
  PERCH_RELACY_ORDER(give_back);
  PERCH_RELACY_ORDER(link_chunk);
  PERCH_RELACY_ORDER(next_chunk);
  PERCH_RELACY_ORDER(share);
  PERCH_RELACY_ORDER(drop_share);
  PERCH_RELACY_ORDER(used_slots);
#undef PERCH_RELACY_ORDER
};

/// PinFences as Relacy knows them: its system-wide fence is membarrier.
struct RelacyFences {
  static inline bool membarrier = false;
  static inline rl::memory_order light_order = rl::mo_seq_cst;  // when it is not membarrier
  static inline rl::memory_order heavy_order = rl::mo_seq_cst;
  static inline bool heavy_is_missing = false;

  void light() const {
    if (!membarrier) rl::atomic_thread_fence(light_order, $);
  }
  void heavy() const {
    if (heavy_is_missing) return;
    if (membarrier) {
      rl::systemwide_fence($);
    } else {
      rl::atomic_thread_fence(heavy_order, $);
    }
  }
};

}  // namespace perch::tree::test
