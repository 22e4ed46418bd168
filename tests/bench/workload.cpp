#include "workload.hpp"

namespace perch::bench {

const std::vector<Workload>& workloads() {
  static const std::vector<Workload> all = {
      {"get_random", {}, false, get_random},
      {"get_many", {}, false, get_many},
      {"scan", {}, false, scan},
      {"snapshot", {}, false, snapshot},
      {"upsert_random_1", {}, false, upsert_random_1},
      {"upsert_random_16", {}, false, upsert_random_16},
      {"upsert_random_64", {}, false, upsert_random_64},
      {"upsert_random_1024", {}, false, upsert_random_1024},
      {"window_append_evict", {}, false, window_append_evict},
      {"read_while_write", {}, false, read_while_write},
      {"diff", Ability::diff, false, diff},
      {"long_keys", Ability::wide_keys, false, long_keys},
      {"get_through_plugin_interface", Ability::plugins, false, get_through_plugin_interface},
      {"get_many_through_plugin_interface", Ability::plugins, false, get_many_through_plugin_interface},
      {"stalled_reader_memory", Ability::snapshots, true, stalled_reader_memory},
  };
  return all;
}

}  // namespace perch::bench
