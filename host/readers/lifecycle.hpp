// Lifecycle: what happens to readers, one thing at a time: start, load, swap, accept, rollback, fault,
// restart, disable, enable, unload.
//
// Every wait for a plugin is bounded by callback_deadline. All of it is for the manager thread.
// lifecycle.cpp: how readers come and go; swap.cpp: swap, probation, accept, rollback; faults.cpp: faults,
// restart, enable.
#pragma once

#include <chrono>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "instances/host_parts.hpp"
#include "instances/reader_status.hpp"
#include "plugin/plugin_file.hpp"
#include "readers/blamed_readers.hpp"
#include "readers/disabled_readers.hpp"
#include "readers/done.hpp"
#include "readers/generation_loader.hpp"
#include "readers/hand_over.hpp"
#include "readers/reader.hpp"
#include "readers/reader_events.hpp"
#include "readers/readers_spec.hpp"
#include "readers/retired_generations.hpp"
#include "readers/status_publisher.hpp"
#include "readers/swap_report.hpp"

namespace perch::readers {

/// Invariants
///   1. At most one instance of a reader takes steps; during probation a second one is suspended.
///   2. Whatever fails before a hand-over leaves the old generation running; a fault in probation brings it
///   back.
///   3. A `done` that was passed in is called once.
///   4. A reader's parts agree with its state whenever its status is published (Reader::check).
class Lifecycle {
 public:
  Lifecycle(const ReadersSpec& spec, instances::HostParts host, DisabledReaders disabled, StatusBoard& board);
  ~Lifecycle();

  void load(const std::filesystem::path& file, std::string name, std::string config, bool without_trial,
            const Done<instances::ReaderStatus>& done);
  void swap(const std::string& name, const SwapOptions& options, const Done<SwapReport>& done);
  /// The same, but an error before the hand-over is returned, and `done` not called.
  Result<void> begin_swap(const std::string& name, const SwapOptions& options, Done<SwapReport> done);
  /// Swaps the reader to the code that it runs already (or last ran), with another config.
  void configure(const std::string& name, std::string config,
                 std::optional<std::chrono::nanoseconds> probation, const Done<SwapReport>& done);
  void accept(const std::string& name, const Done<instances::ReaderStatus>& done);
  void rollback(const std::string& name, const Done<instances::ReaderStatus>& done);
  void unload(const std::string& name, const Done<std::string>& done);
  /// Its file is gone: the same, but it is expected again, and stays disabled where it was.
  void file_is_gone(const std::string& name);
  void disable(const std::string& name, const Done<instances::ReaderStatus>& done);
  void enable(const std::string& name, const Done<instances::ReaderStatus>& done);
  void drop_checkpoints();

  /// Makes a reader that stays in the list whatever its plugin does: failing, it is restarted. The error: not
  /// even its code could be loaded, and there is no such reader.
  Result<void> keep_running(plugin::PluginFile file, InstanceSpec spec);

  /// What the host started with runs: what comes from now on has a trial first.
  void has_settled() noexcept { loader_.has_settled(); }

  /// Faults, restarts, probations that are over, hung generations that came back.
  void tick(SteadyTime now);
  /// When tick has something to do next, at the latest.
  std::optional<SteadyTime> next_due() const;
  /// Lets the readers that sleep until their next step is due notice that they are to catch up.
  void notice_catch_up();
  /// Ends every reader. True when a thread had to be left behind.
  bool stop();

  const std::map<std::string, Reader>& readers() const noexcept { return readers_; }
  /// A person took it away: it is not missed.
  bool was_unloaded(const std::string& name) const { return unloaded_.contains(name); }
  void note_error(const std::string& name, std::string message);
  /// Entries for the board that are no readers (files that were refused); shown behind them.
  void show_also(std::vector<instances::ReaderStatus> others);
  const ReaderEvents& events() const noexcept { return events_; }

 private:
  Result<Reader*> find(const std::string& name);
  Reader& add(const InstanceSpec& spec, const plugin::PluginFile& file);
  bool add_idle(const plugin::PluginFile& file, const InstanceSpec& spec);
  Result<void> run_again(Reader& reader);
  std::string end_generations(Reader& reader, const char* why);
  void publish_status() { publisher_.publish(readers_); }

  // Swapping
  Result<void> change(Reader& reader, const NextGeneration& next,
                      std::optional<std::chrono::nanoseconds> probation, Done<SwapReport> done);
  Result<SwapReport> rehearse(Reader& reader, const NextGeneration& next);
  void begin_probation(Reader& reader, Generation old, const NextGeneration& next,
                       std::chrono::nanoseconds time, SwapReport report, Done<SwapReport> done);
  void end_probation(Reader& reader);
  void finish_probation(Reader& reader);
  void bring_back_old(Reader& reader, const std::string& fault);

  // Faults
  void handle_fault(Reader& reader, const Error& cause);
  void restart(Reader& reader);
  Result<void> start_from_file(Reader& reader);

  const ReadersSpec spec_;
  const instances::HostParts host_;
  const ReaderEvents events_;
  GenerationLoader loader_;
  RetiredGenerations retired_;
  HandOver hand_over_;
  StatusPublisher publisher_;
  DisabledReaders disabled_;
  BlamedReaders blamed_;
  std::map<std::string, Reader> readers_;
  std::set<std::string> unloaded_;
};

}  // namespace perch::readers
