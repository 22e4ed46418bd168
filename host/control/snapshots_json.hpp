// Readers and the versions that they pin, as JSON.
#pragma once

#include "control/json_rpc.hpp"
#include "control/server.hpp"
#include "instances/pinned_versions.hpp"

namespace perch::control {

std::vector<instances::PinnedVersion> pinned_versions(const Host& host);

/// Every pinned version: how many bytes hang on it, since when it is pinned, by whom and for what.
Json snapshots_json(const std::vector<instances::PinnedVersion>& versions);

/// Every reader with what hangs on the versions that it pins.
Json readers_json(const Host& host, const std::vector<instances::PinnedVersion>& versions);

}  // namespace perch::control
