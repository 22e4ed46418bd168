// ReaderManager: every reader's life: load, swap, unload, faults, the watched folder.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "instances/event_hub.hpp"
#include "instances/pinned_versions.hpp"
#include "instances/reader_status.hpp"
#include "readers/done.hpp"
#include "readers/readers_spec.hpp"
#include "readers/swap_report.hpp"
#include "tables/catalog.hpp"
#include "tree/pins.hpp"

namespace perch::instances {
class ReaderProcesses;
}

namespace perch::readers {

/// All lives are changed by one thread, the manager's own; requests are put in order in its queue of at most
/// 1024. Thread safety: every method from any thread; start and stop once each. `done` is called once, when
/// the thing is done, on the manager thread; on the caller's when the queue is full or the manager does not
/// run. It must not wait.
class ReaderManager {
 public:
  /// `retained`: what hangs on pinned versions, for the watchdog; thread safe. Empty: it says nothing of
  /// that.
  /// `processes`: those that read the tree; null: nobody does but this process. It outlives this.
  ReaderManager(ReadersSpec spec, const tables::Catalog& catalog, tree::ReadSide& reads,
                instances::EventHub& events,
                std::function<std::vector<tree::RetainedVersion>()> retained = {},
                instances::ReaderProcesses* processes = nullptr);
  ~ReaderManager();

  /// Starts the manager thread; returns when the instances of the config and the files of the folder have
  /// settled.
  Result<void> start();
  /// Stops every reader (stop, destroy, join, unload). Swaps in probation end with `refused`.
  void stop();
  /// After stop: whether a plugin that hangs in a callback was left behind with its thread. It still uses the
  /// tree: the process must end (std::_Exit) without taking the tree down.
  bool left_threads_behind() const;

  /// Runs a plugin file as a reader called `name` (empty: the plugin's id).
  void load(std::filesystem::path file, std::string name, std::string config,
            Done<instances::ReaderStatus> done, bool without_trial = false);
  /// Replaces the reader's generation. Ends with the verdict, after probation.
  void swap(std::string name, SwapOptions options, Done<SwapReport> done);
  /// The same with the code that the reader has now, whatever became of its file, and another config (a JSON
  /// object), which a rollback takes back too. A config that the plugin's schema refuses changes nothing.
  void configure(std::string name, std::string config, std::optional<std::chrono::nanoseconds> probation,
                 Done<SwapReport> done);
  void accept(std::string name, Done<instances::ReaderStatus> done);
  void rollback(std::string name, Done<instances::ReaderStatus> done);
  /// Ends with what is left behind of it, in words; "": nothing.
  void unload(std::string name, Done<std::string> done);
  /// Stops the reader until somebody enables it, also across restarts of the host.
  void disable(std::string name, Done<instances::ReaderStatus> done);
  /// Starts a reader that is disabled, quarantined or failed, from its file as it is now; one that crashed or
  /// failed goes on from its checkpoint where it has one. One that runs is left alone.
  void enable(std::string name, Done<instances::ReaderStatus> done);
  /// From now on these are the config's instances: those that are new start, if their plugin is there, those
  /// that are gone are unloaded, and those with another config are configured as by `configure`. Ends with
  /// what did not work, a line per reader; the others are as wanted.
  void set_instances(std::vector<InstanceSpec> instances, Done<std::vector<std::string>> done);
  /// Gives up the versions that checkpoints hold, for a host that is out of room. Returns without waiting.
  void drop_checkpoints();

  /// For the end of a host: from now on running readers do not wait for their wake interval, but take each
  /// step at once, so that the last commit is seen without waiting for anybody's next turn. Returns without
  /// waiting for them. Also before start and after stop. Cannot be taken back.
  void catch_up();

  std::vector<instances::ReaderStatus> readers() const;
  /// Generations that should be gone and are not, since their code may still run: reasons to restart the host
  /// when convenient. Empty: none.
  std::vector<std::string> degraded() const;
  /// Every pin of every generation that is still there, running, suspended, or hanging on its way out, and of
  /// every process that reads.
  std::vector<instances::PinHolder> pins() const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace perch::readers
