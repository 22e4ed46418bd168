// ReadersSpec: what a config says of readers: which ones run, where their code runs, and what becomes of one
// that faults.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "instances/worker_spec.hpp"

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

}  // namespace perch::readers
