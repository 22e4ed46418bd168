#include "stream_workload.hpp"

namespace perch::bench {

const std::vector<StreamWorkload>& stream_workloads() {
  static const std::vector<StreamWorkload> all = {
#ifdef PERCH_BENCH_LMDB
      {"ingest_ndjson", {"perch", "perch_by_time", "redis", "nlohmann_lmdb"}, ingest_ndjson},
      {"ingest_csv", {"perch", "perch_by_time", "redis"}, ingest_csv},
      {"ingest_binary", {"perch", "perch_by_time", "redis"}, ingest_binary},
#endif
      {"thread_vs_process",
       {"perch-thread", "perch-process", "lmdb-process", "futex-thread", "futex-process"},
       thread_vs_process},
      {"event_to_reader", {"perch", "perch_reader_spins", "perch_both_spin", "redis"}, event_to_reader},
  };
  return all;
}

}  // namespace perch::bench
