#include "control/snapshots_json.hpp"

#include <algorithm>

#include "base/units.hpp"
#include "control/status_json.hpp"

namespace perch::control {

std::vector<instances::PinnedVersion> pinned_versions(const Host& host) {
  return instances::pinned_versions(host.store.retained_versions(), host.readers.pins());
}

Json snapshots_json(const std::vector<instances::PinnedVersion>& versions) {
  const std::int64_t now_ns = unix_now_ns();
  Json snapshots = Json::array();
  for (const instances::PinnedVersion& version : versions) {
    Json holders = Json::array();
    for (const instances::PinHolder& holder : version.holders) {
      holders.push_back({{"reader", holder.reader},
                         {"generation", holder.generation},
                         {"what", holder.what},
                         {"since_ns", now_ns - holder.held_for.count()},
                         {"age_ns", holder.held_for.count()}});
    }
    const bool is_held = !version.holders.empty();
    snapshots.push_back({{"version", version.version},
                         {"bytes", version.bytes},
                         {"since_ns", is_held ? Json(now_ns - version.held_for.count()) : Json()},
                         {"age_ns", is_held ? Json(version.held_for.count()) : Json()},
                         {"holders", std::move(holders)}});
  }
  return snapshots;
}

Json readers_json(const Host& host, const std::vector<instances::PinnedVersion>& versions) {
  const tree::SharedSnapshot published = host.store.reads().acquire();
  const std::int64_t published_ns = published->snapshot().commit_time_ns();
  Json list = Json::array();
  for (const instances::ReaderStatus& reader : host.readers.readers()) {
    const bool is_behind = reader.version < published->snapshot().version();
    const std::int64_t seen_ns = reader.version_time_ns > 0 ? reader.version_time_ns : host.started_ns;
    list.push_back(to_json(reader));
    list.back()["lag_ns"] = is_behind ? std::max<std::int64_t>(published_ns - seen_ns, 0) : 0;
    list.back()["retained_bytes"] = instances::retained_bytes(versions, reader.name);
  }
  return list;
}

}  // namespace perch::control
