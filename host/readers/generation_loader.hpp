// GenerationLoader: makes generations: copies a plugin's file, tries it out, loads the copy, and makes its
// instance.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

#include "base/result.hpp"
#include "instances/host_parts.hpp"
#include "instances/saved_state.hpp"
#include "instances/step_timer.hpp"
#include "plugin/plugin_file.hpp"
#include "readers/reader.hpp"
#include "readers/readers_spec.hpp"

namespace perch::readers {

/// What a plugin is to prove itself with before its code is in the host.
struct Trial {
  std::optional<instances::SavedState> state;  ///< none: it starts at version 0
};

/// For the manager thread. What it is made with outlives it.
class GenerationLoader {
 public:
  GenerationLoader(const ReadersSpec& spec, const instances::HostParts& host) : spec_(spec), host_(host) {}

  /// What the host started with runs: what comes from now on has a trial first.
  void has_settled() noexcept { has_settled_ = true; }

  bool is_process(const InstanceSpec& spec) const {
    return spec.isolation.value_or(spec_.isolation) == Isolation::process;
  }
  bool has_trial(const InstanceSpec& spec) const;

  /// Without an instance yet. `trial`: none: loaded without one.
  Result<Generation> load(plugin::PluginFile& file, const InstanceSpec& spec,
                          const std::optional<Trial>& trial, instances::StepTimer& timer);
  /// On failure the generation must be retired, or its instance ended.
  Result<void> create_instance(Generation& generation, const InstanceSpec& spec) const;

 private:
  Result<void> try_copy(const plugin::PluginFile& file, const std::filesystem::path& copy,
                        std::uint64_t number, const InstanceSpec& spec, const Trial& trial,
                        instances::StepTimer& timer) const;

  const ReadersSpec& spec_;
  const instances::HostParts& host_;
  bool has_settled_ = false;
  std::uint64_t generations_ = 0;  // numbered from 1, over all readers
};

}  // namespace perch::readers
