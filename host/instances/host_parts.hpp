// HostParts: what an instance needs of the host that it lives in, or of the worker.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>

#include "base/joinable_thread.hpp"
#include "instances/event_hub.hpp"
#include "instances/reader_processes.hpp"
#include "instances/watchdog.hpp"
#include "tables/catalog.hpp"
#include "tree/pins.hpp"

namespace perch::instances {

/// Where an instance lives: all of it outlives the instance.
struct HostParts {
  const tables::Catalog& catalog;
  tree::ReadSide& reads;
  EventHub& events;
  std::function<void()> on_fault;  ///< called on the reader's thread; must not wait
  /// Steps are taken at once, whatever wake interval the plugin asked for. Shared, because a reader that
  /// hangs for ever may look at it later than the manager ends.
  std::shared_ptr<const std::atomic<bool>> catches_up;
  std::chrono::nanoseconds checkpoint{0};  ///< how often a running instance saves its state; 0: never
  Watchdog& watchdog;
  ThreadSupply& threads;                 ///< the manager thread's
  ReaderProcesses* processes = nullptr;  ///< null: no instance runs in a process of its own
};

}  // namespace perch::instances
