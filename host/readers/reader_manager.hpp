// ReaderManager: every reader's life: load, swap, unload, faults, the watched folder.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "instances/event_hub.hpp"
#include "instances/pinned_versions.hpp"
#include "instances/reader_status.hpp"
#include "instances/step_timer.hpp"
#include "instances/worker_spec.hpp"
#include "plugin/manifest.hpp"
#include "tables/catalog.hpp"
#include "tree/pins.hpp"

namespace perch::instances {
class ReaderProcesses;
}

namespace perch::readers {

/// Where a reader's code runs.
enum class Isolation : std::uint8_t {
  thread,   ///< on a thread of the host
  process,  ///< in a worker, which maps the tree read-only
};

struct InstanceSpec {
  std::string name;
  std::string plugin;         ///< plugin id
  std::string config = "{}";  ///< JSON object
  bool spin = false;          ///< looks for commits without sleeping: a processor for some 25 us per commit
  std::optional<Isolation> isolation = {};  ///< none: as all readers
  bool operator==(const InstanceSpec&) const = default;
};

/// What happens to a reader that faults: a new instance after a delay that doubles with each fault, and
/// quarantine for one that would need more than `limit` restarts within `window`.
struct RestartSpec {
  std::chrono::nanoseconds delay_min = std::chrono::milliseconds(100);
  std::chrono::nanoseconds delay_max = std::chrono::seconds(10);
  std::uint32_t limit = 5;
  std::chrono::nanoseconds window = std::chrono::minutes(1);
  bool operator==(const RestartSpec&) const = default;
};

struct ReadersSpec {
  std::filesystem::path folder;  ///< watched; empty: none. Created when missing.
  std::chrono::nanoseconds probation = std::chrono::seconds(5);
  std::vector<InstanceSpec> instances;
  std::filesystem::path private_folder;  ///< <run_dir>/generations: the private copies
  std::filesystem::path disabled_file;   ///< <run_dir>/disabled.json: which readers a person disabled
  std::filesystem::path blame_file;      ///< <run_dir>/crashed.txt: whose code the last host died of
  RestartSpec restart;
  /// How often a running reader's state is saved, for a restart after a fault; 0: never.
  std::chrono::nanoseconds checkpoint = std::chrono::seconds(30);
  /// How long the manager waits for a plugin's function (create, restore and start, save, stop and destroy),
  /// and when the watchdog reports one. One that hangs longer fails the request; its generation stays loaded,
  /// and is closed when it comes back.
  std::chrono::nanoseconds callback_deadline = std::chrono::seconds(10);
  /// A version that a reader holds for longer than the deadline is reported when so many bytes hang on it.
  std::uint64_t retain_warning_bytes = std::uint64_t{256} << 20;
  /// A process that holds back more than this is killed, a second after it was warned; 0: never. Readers on
  /// threads are only warned.
  std::uint64_t retain_max_bytes = 0;
  Isolation isolation = Isolation::thread;
  instances::WorkersSpec workers;
  instances::TrialSpec trial;
};

/// How a reader is to be swapped.
struct SwapOptions {
  std::filesystem::path file;                         ///< empty: the one it came from
  std::optional<std::chrono::nanoseconds> probation;  ///< nullopt: the configured one
  /// The old generation is not asked for its state and not waited for: for one that hangs. The new one begins
  /// at version 0, and there is no way back.
  bool without_state = false;
  /// All that can be tried without changing anything: load, create, restore a state saved now. Nothing stays.
  bool dry_run = false;
  /// Thread readers: loaded into the host without a trial in a worker.
  bool without_trial = false;
};

struct SwapReport {
  std::string reader;
  std::string from_version, to_version;
  std::uint64_t generation = 0;
  tree::Version at_version = 0;  ///< state was saved as of here; the new generation's first step starts here
  std::vector<instances::SwapStep> steps;
  bool dry_run = false;
  std::string
      remark;  ///< what to know of the new file, such as that it is the one that runs already; "": nothing
  std::string left;  ///< of the generation that went, in words; "": nothing
};

/// All lives are changed by one thread, the manager's own; requests are put in order in its queue of at most
/// 1024. Thread safety: every method from any thread; start and stop once each. `done` is called once, when
/// the thing is done, on the manager thread; on the caller's when the queue is full or the manager does not
/// run. It must not wait.
class ReaderManager {
 public:
  template <class T>
  using Done = std::function<void(Result<T>)>;

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
