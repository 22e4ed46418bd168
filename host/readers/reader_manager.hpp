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
#include "readers/event_hub.hpp"
#include "readers/manifest.hpp"
#include "tables/catalog.hpp"
#include "tree/pins.hpp"

namespace perch::readers {

struct InstanceSpec {
  std::string name;
  std::string plugin;         ///< plugin id
  std::string config = "{}";  ///< JSON object
};

struct ReadersSpec {
  std::filesystem::path folder;  ///< watched; empty: none. Created when missing.
  std::chrono::nanoseconds probation = std::chrono::seconds(5);
  std::vector<InstanceSpec> instances;
  std::filesystem::path private_folder;  ///< <run_dir>/generations: the private copies
};

struct MetricValue {
  std::string kind;  ///< counter, gauge, histogram
  double value = 0;  ///< counter: sum; gauge: last; histogram: mean
  std::uint64_t count = 0;
};

struct ReaderStatus {
  std::string name;
  std::string plugin;
  std::string plugin_version;
  std::string state;  ///< running, swapping, probation, failed, restarting, quarantined, refused, stopped
  std::string file;   ///< the file it was loaded from
  std::uint64_t generation = 0;
  tree::Version version = 0;  ///< `current` of its last on_commit
  std::uint64_t steps = 0;
  std::uint64_t publications = 0;
  std::uint64_t restarts = 0;
  std::int64_t callback_p50_ns = 0;
  std::int64_t callback_p99_ns = 0;
  std::int64_t callback_max_ns = 0;
  std::string last_error;
  std::vector<std::string> pinned_libraries;  ///< retired generations that would not unmap, and why
  std::map<std::string, MetricValue> metrics;
};

/// One step of a swap, for the person who waits for it.
struct SwapStep {
  std::string what;  ///< "read manifest", "copy", "load", "create", "hand over at version 4711", "accepted" …
  std::int64_t took_ns = 0;
};
struct SwapReport {
  std::string reader;
  std::string from_version, to_version;
  std::uint64_t generation = 0;
  tree::Version at_version = 0;  ///< state was saved as of here; the new generation's first step starts here
  std::vector<SwapStep> steps;
};

/// All lives are changed by one thread, the manager's own; requests are put in order in its bounded queue.
/// Thread safety: every method from any thread. `done` is called on the manager thread when the thing is done, once.
class ReaderManager {
 public:
  template <class T>
  using Done = std::function<void(Result<T>)>;

  ReaderManager(ReadersSpec spec, const tables::Catalog& catalog, tree::ReadSide& reads, EventHub& events);
  ~ReaderManager();

  /// Starts the manager thread; returns when the instances of the config and the files of the folder have settled.
  Result<void> start();
  /// Stops every reader (stop, destroy, join, unload).
  void stop();

  /// Runs a plugin file as a reader called `name` (empty: the plugin's id).
  void load(std::filesystem::path file, std::string name, std::string config, Done<ReaderStatus> done);
  /// Replaces the reader's generation by one loaded from `file` (empty: the file it came from). Ends with the verdict,
  /// after probation. `probation`: nullopt: the configured one.
  void swap(std::string name, std::filesystem::path file, std::optional<std::chrono::nanoseconds> probation,
            Done<SwapReport> done);
  void accept(std::string name, Done<ReaderStatus> done);
  void rollback(std::string name, Done<ReaderStatus> done);
  void unload(std::string name, Done<void> done);

  std::vector<ReaderStatus> readers() const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace perch::readers
