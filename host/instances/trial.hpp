// Trial: before a plugin's code is loaded into the host it proves itself in a worker, on the live tree, with
// what it says discarded. A file that crashes, hangs or leaves threads behind was never in the host.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/result.hpp"
#include "instances/host_parts.hpp"
#include "instances/saved_state.hpp"
#include "instances/worker_spec.hpp"
#include "plugin/plugin_library.hpp"

namespace perch::instances {

/// [manager thread] Creates, restores `state` where given, takes steps, saves, stops. `plugin`: its copy, not
/// loaded here. The error says what it did; else what was done, in words: "8 steps".
Result<std::string> try_out(const HostParts& host, const WorkersSpec& workers, const TrialSpec& trial,
                            const std::shared_ptr<plugin::PluginLibrary>& plugin, const std::string& reader,
                            const std::string& config, const std::optional<SavedState>& state,
                            std::chrono::nanoseconds callback_deadline);

}  // namespace perch::instances
