// Lifecycle: what happens to readers, one thing at a time: start, load, swap, accept, rollback, fault,
// restart, disable, enable, unload.
//
// Every wait for a plugin is bounded by callback_deadline. All of it is for the manager thread.
// lifecycle.cpp: how readers come and go; swap.cpp; faults.cpp.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "instances/host_parts.hpp"
#include "instances/step_timer.hpp"
#include "readers/blamed_readers.hpp"
#include "readers/disabled_readers.hpp"
#include "readers/reader.hpp"
#include "readers/retired_generations.hpp"
#include "readers/status_board.hpp"

namespace perch::readers {

/// Invariants
///   1. At most one instance of a reader takes steps; during probation a second one is suspended.
///   2. Whatever fails before a hand-over leaves the old generation running; a fault in probation brings it
///   back.
///   3. A `done` that was passed in is called once.
class Lifecycle {
 public:
  Lifecycle(const ReadersSpec& spec, instances::HostParts host, DisabledReaders disabled, StatusBoard& board);
  ~Lifecycle();

  void load(const std::filesystem::path& file, std::string name, std::string config,
            const Done<instances::ReaderStatus>& done, bool without_trial);
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
  void has_settled() noexcept { has_settled_ = true; }

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
  void publish_event(const char* kind, const std::string& reader, std::uint64_t generation,
                     const std::string& cause, const std::filesystem::path& file) const;

 private:
  Result<Reader*> find(const std::string& name);
  std::string end_generations(Reader& reader, const char* why);
  instances::ReaderStatus status_of(const Reader& reader) const;
  void publish_status();

  // Loading
  Isolation isolation_of(const InstanceSpec& spec) const { return spec.isolation.value_or(spec_.isolation); }
  /// What a trial needs to know; none: no trial.
  struct Trial {
    const InstanceSpec& spec;
    std::optional<instances::SavedState> state;
  };
  bool has_trial(const InstanceSpec& spec) const;
  Result<Generation> load_generation(plugin::PluginFile& file, const InstanceSpec& spec,
                                     const std::optional<Trial>& trial, instances::StepTimer& timer);
  Result<void> create_instance(Generation& generation, const InstanceSpec& spec);
  Result<void> run_again(Reader& reader);
  std::optional<instances::SavedState> usable_checkpoint(const Reader& reader,
                                                         const plugin::Manifest& next) const;
  void adopt(Reader& reader, Generation generation);
  Reader& add(const InstanceSpec& spec, const std::filesystem::path& file);

  // Swapping
  /// What the next generation is to be made of.
  struct Next {
    const char* verb;            // for messages
    const char* event;           // published when it has taken over
    std::filesystem::path file;  // whose content is loaded
    std::filesystem::path from;  // where that came from, as the reader's file is shown
    std::string config;
    bool without_state = false;
    bool without_trial = false;
  };
  Result<std::optional<Trial>> trial_of(const Reader& reader, const InstanceSpec& spec, const Next& next,
                                        const plugin::Manifest& manifest, instances::StepTimer& timer);
  instances::StepTimer timer_of(const Reader& reader, SteadyTime begin) const;
  Result<void> change(Reader& reader, const Next& next, std::optional<std::chrono::nanoseconds> probation,
                      Done<SwapReport> done);
  Result<void> check_swap(const Reader& reader, const plugin::PluginFile& file, const Next& wanted) const;
  Result<Generation> prepare(const Reader& reader, const Next& next, SwapReport& report,
                             instances::StepTimer& timer);
  Result<Generation> replace(Reader& reader, const Next& next, SwapReport& report,
                             instances::StepTimer& timer);
  Result<void> hand_over(Reader& reader, const Generation& next, SwapReport& report,
                         instances::StepTimer& timer);
  Result<void> take_over_without_state(Reader& reader, const Generation& next, instances::StepTimer& timer);
  Result<SwapReport> rehearse(Reader& reader, const Next& next);
  Result<void> rehearse_restore(Reader& reader, const Generation& next, SwapReport& report,
                                instances::StepTimer& timer);
  void end_probation(Reader& reader);
  void finish_probation(Reader& reader);
  void bring_back_old(Reader& reader, const std::string& fault);

  // Faults
  void handle_fault(Reader& reader, const Error& cause);
  void keep_checkpoint_of(Reader& reader);
  void restart(Reader& reader);
  Result<void> start_from_file(Reader& reader);

  const ReadersSpec spec_;
  const instances::HostParts host_;
  DisabledReaders disabled_;
  BlamedReaders blamed_;
  StatusBoard& board_;
  std::map<std::string, Reader> readers_;
  std::set<std::string> unloaded_;
  std::vector<instances::ReaderStatus> others_;
  std::set<std::string> degraded_;  // as it was last told
  RetiredGenerations retired_;
  bool has_settled_ = false;
  std::uint64_t generations_ = 0;  // numbered from 1, over all readers
};

}  // namespace perch::readers
