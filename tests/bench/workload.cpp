#include "workload.hpp"

namespace perch::bench {

const std::vector<Workload>& workloads() {
  static const std::vector<Workload> all = {
      {"get_random", false, false, get_random},
      {"get_many", false, false, get_many},
      {"scan", false, false, scan},
      {"snapshot", false, false, snapshot},
      {"upsert_random_1", false, false, upsert_random_1},
      {"upsert_random_16", false, false, upsert_random_16},
      {"upsert_random_64", false, false, upsert_random_64},
      {"upsert_random_1024", false, false, upsert_random_1024},
      {"window_append_evict", false, false, window_append_evict},
      {"read_while_write", false, false, read_while_write},
      {"stalled_reader_memory", true, true, stalled_reader_memory},
  };
  return all;
}

}  // namespace perch::bench
